#include "cpp/engine/kernel_table.h"
#define MF_ISA isa_avx2
#define MF_SIMD "cpp/engine/simd/avx2.h"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_avx2;
const KernelTable* const kKernels_avx2 = &kTable;

}  // namespace mtcnn_fast::engine
