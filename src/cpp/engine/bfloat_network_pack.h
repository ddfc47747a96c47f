// Rounds R-Net's weights to bfloat16 and rearranges them for the kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/layers.h"

namespace mtcnn_fast::engine {

// To nearest, ties to even; not for what is no number.
std::uint16_t to_bfloat(float value);

// Owns the rearranged weights; immutable once made.
class BfloatNetwork {
  public:
    // `rnet` must outlive it.
    explicit BfloatNetwork(const CropNetWeights& rnet);
    ~BfloatNetwork() = default;
    BfloatNetwork(const BfloatNetwork&) = delete;
    BfloatNetwork& operator=(const BfloatNetwork&) = delete;

    const BfloatNetworkWeights& weights() const { return weights_; }

  private:
    std::vector<Aligned<std::uint16_t>> factors_;
    AlignedFloats difference_;
    BfloatNetworkWeights weights_{};
};

}  // namespace mtcnn_fast::engine
