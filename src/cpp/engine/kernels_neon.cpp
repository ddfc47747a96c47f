#define MF_ISA isa_neon
#define MF_SIMD "cpp/engine/simd/neon.h"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_neon;
const KernelTable* const kKernels_neon = &kTable;

}  // namespace mtcnn_fast::engine
