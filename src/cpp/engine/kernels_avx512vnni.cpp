// The kernel of networks of bytes for processors that also have the dot product of VNNI.
#define MF_ISA isa_avx512vnni
#define MF_SIMD "cpp/engine/simd/avx512.h"
#include "cpp/engine/byte_kernel.inl"

namespace mtcnn_fast::engine {

extern const ByteKernel* const kKernels_avx512vnni;
const ByteKernel* const kKernels_avx512vnni = &kByteKernel;

}  // namespace mtcnn_fast::engine
