#define MF_ISA isa_sse2
#define MF_ISA_NAME "sse2"
#include "cpp/engine/kernels.inl"

namespace mtcnn_fast::engine {

extern const KernelTable* const kKernels_sse2;
const KernelTable* const kKernels_sse2 = &kTable;

}  // namespace mtcnn_fast::engine
