// R-Net in bytes for the instruction set of MF_ISA and MF_SIMD: part of kernels.inl, and all of the kernels_<isa>.cpp
// of processors that differ in the dot product of bytes alone.

#include "cpp/engine/byte_net.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {
namespace {

void rnet_bytes(const ByteNetworkWeights& net, const float* crops, int count, std::uint8_t* scratch,
                float* differences) {
    ByteNet(net, scratch).run(crops, count, differences);
}

constexpr ByteKernel kByteKernel{ByteLayout::kBytes, rnet_bytes};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
