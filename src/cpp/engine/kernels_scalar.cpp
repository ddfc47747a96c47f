#define MF_ISA isa_scalar
#define MF_SIMD "cpp/engine/simd/scalar.h"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_scalar;
const KernelTable* const kKernels_scalar = &kTable;

}  // namespace mtcnn_fast::engine
