// The networks' weights, rearranged once for the kernels: output channels innermost and padded to a multiple of 16, so
// that one packing serves every vector width. Winograd weights are transformed in float64.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/layers.h"

namespace mtcnn_fast::engine {

// A float32 tensor as the weights files have it.
struct Tensor {
    const float* data = nullptr;
    std::vector<std::size_t> shape;
};
using TensorMap = std::map<std::string, Tensor>;

// Owns the rearranged weights of the three networks; immutable once made.
class NetworkWeights {
  public:
    // Throws std::invalid_argument naming the tensor if one is missing or of the wrong shape.
    NetworkWeights(const TensorMap& pnet, const TensorMap& rnet, const TensorMap& onet);
    ~NetworkWeights() = default;
    NetworkWeights(const NetworkWeights&) = delete;
    NetworkWeights& operator=(const NetworkWeights&) = delete;

    const PNetWeights& pnet() const { return pnet_; }
    const CropNetWeights& rnet() const { return rnet_; }
    const CropNetWeights& onet() const { return onet_; }

  private:
    std::vector<AlignedFloats> storage_;
    PNetWeights pnet_{};
    CropNetWeights rnet_{};
    CropNetWeights onet_{};
};

}  // namespace mtcnn_fast::engine
