// The kernel of networks of bytes for processors that also have the dot product of VNNI.
#define MF_ISA isa_avxvnni
#define MF_SIMD "cpp/engine/simd/avx2.h"
#include "cpp/engine/byte_kernel.inl"

namespace mtcnn_fast::engine {

extern const ByteKernel* const kKernels_avxvnni;
const ByteKernel* const kKernels_avxvnni = &kByteKernel;

}  // namespace mtcnn_fast::engine
