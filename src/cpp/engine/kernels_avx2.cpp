#define MF_ISA isa_avx2
#define MF_ISA_NAME "avx2"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_avx2;
const KernelTable* const kKernels_avx2 = &kTable;

}  // namespace mtcnn_fast::engine
