// Rounds P-Net's weights to bfloat16 and rearranges them for the kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/layers.h"
#include "cpp/engine/pnet_bfloat_network.h"

namespace mtcnn_fast::engine {

// A kernel of 3x3 weights, rounded. What rounding leaves of a weight goes to the next one, row by row and back, because
// neighbouring pixels are alike.
void round_kernel(const float (&weights)[3][3], std::uint16_t (&rounded)[3][3]);

// Owns the rearranged weights; immutable once made.
class PNetBfloat {
  public:
    // `pnet` must outlive it.
    explicit PNetBfloat(const PNetWeights& pnet);
    ~PNetBfloat() = default;
    PNetBfloat(const PNetBfloat&) = delete;
    PNetBfloat& operator=(const PNetBfloat&) = delete;

    const PNetBfloatWeights& weights() const { return weights_; }

  private:
    std::vector<Aligned<std::uint16_t>> factors_;
    AlignedFloats bias_;  // of the first layer's outputs
    PNetBfloatWeights weights_{};
};

}  // namespace mtcnn_fast::engine
