// Rearranges R-Net's weights in bytes for the kernels.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/byte_network.h"

namespace mtcnn_fast::engine {

// A layer as it is handed in: weights (outputs, segments, bytes), the others (outputs,).
struct ByteLayerTensors {
    const std::int8_t* weights;
    const float* scale;
    const float* bias;
    const float* slope;
    const float* zero;
};

struct ByteTensors {
    std::array<ByteLayerTensors, kRoughLayers> layer;
    const float* difference;  // [hidden]
    float difference_bias;
};

// Owns the rearranged weights; immutable once made.
class ByteNetwork {
  public:
    // Throws std::invalid_argument where sums of 16 bits could overflow.
    explicit ByteNetwork(const ByteTensors& tensors);
    ~ByteNetwork() = default;
    ByteNetwork(const ByteNetwork&) = delete;
    ByteNetwork& operator=(const ByteNetwork&) = delete;

    const ByteNetworkWeights& weights() const { return weights_; }

  private:
    std::vector<Aligned<std::int8_t>> bytes_;
    std::vector<AlignedFloats> storage_;
    ByteNetworkWeights weights_{};
};

}  // namespace mtcnn_fast::engine
