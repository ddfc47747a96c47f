#include "cpp/engine/kernel_table.h"
#define MF_ISA isa_sse2
#define MF_SIMD "cpp/engine/simd/sse2.h"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_sse2;
const KernelTable* const kKernels_sse2 = &kTable;

}  // namespace mtcnn_fast::engine
