#include "cpp/engine/kernel_table.h"
#define MF_ISA isa_avx512
#define MF_SIMD "cpp/engine/simd/avx512.h"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_avx512;
const KernelTable* const kKernels_avx512 = &kTable;

}  // namespace mtcnn_fast::engine
