// The kernel of networks of bytes for processors that also have the dot product of VNNI.
#include <cstdint>

#include "cpp/engine/byte_network.h"
#define MF_ISA isa_avx512vnni
#define MF_SIMD "cpp/engine/simd/avx512.h"
#include "cpp/engine/byte_net.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {
namespace {

void rnet_bytes(const ByteNetworkWeights& net, const float* crops, int count, std::uint8_t* scratch,
                float* differences) {
    ByteNet(net, scratch).run(crops, count, differences);
}

constexpr ByteKernel kKernel{ByteLayout::kBytes, rnet_bytes};

}  // namespace
}  // namespace MF_ISA

extern const ByteKernel* const kKernels_avx512vnni;
const ByteKernel* const kKernels_avx512vnni = &kKernel;

}  // namespace mtcnn_fast::engine
