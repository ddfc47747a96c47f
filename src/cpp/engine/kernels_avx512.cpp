#define MF_ISA isa_avx512
#define MF_ISA_NAME "avx512"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_avx512;
const KernelTable* const kKernels_avx512 = &kTable;

}  // namespace mtcnn_fast::engine
