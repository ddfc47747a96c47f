// Rounds the weights of R-Net or O-Net to bfloat16 and rearranges them for the kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/layers.h"

namespace mtcnn_fast::engine {

// To nearest, ties to even; not for what is no number.
std::uint16_t to_bfloat(float value);

// Owns the rearranged weights; immutable once made.
class BfloatNetwork {
  public:
    // `weights` are those of `stage`, and must outlive it.
    BfloatNetwork(const CropStage& stage, const CropNetWeights& weights);
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
