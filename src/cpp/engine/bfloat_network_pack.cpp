#include "cpp/engine/bfloat_network_pack.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/layers.h"

namespace mtcnn_fast::engine {
namespace {

// `direct` has [segment][pixel][`channels` inputs][output]; a pixel of the map has `padded` numbers.
void pack(const float* direct, const BfloatShape& shape, int channels, int padded, std::uint16_t* out) {
    const int lanes = shape.lanes(), pixels = shape.inputs / padded;
    for (int s = 0; s < shape.segments; ++s)
        for (int k = 0; k < shape.inputs; ++k) {
            const int pixel = k / padded, channel = k % padded;
            if (channel >= channels) continue;
            const float* const from = direct + ((s * pixels + pixel) * channels + channel) * lanes;
            for (int o = 0; o < lanes; ++o) out[shape.place(o, s, k)] = to_bfloat(from[o]);
        }
}

}  // namespace

std::uint16_t to_bfloat(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

BfloatNetwork::BfloatNetwork(const CropStage& stage, const CropNetWeights& weights)
    : difference_(static_cast<std::size_t>(stage.hidden)) {
    const std::array<BfloatShape, kMaxRoughLayers> shapes = bfloat_shapes(stage);
    for (std::size_t i = 0; i <= stage.convolutions; ++i) {
        const BfloatShape& shape = shapes[i];
        const bool dense = i == stage.convolutions;
        const Layer& layer = dense ? weights.dense : weights.convolution[i];
        const int channels = dense ? stage.last().outputs : stage.convolution[i].inputs;
        const int padded = i == 0 ? channels : padded_channels(channels);
        factors_.emplace_back(static_cast<std::size_t>(shape.lanes() / kTileSide * shape.weights()));
        pack(layer.direct, shape, channels, padded, factors_.back().data());
        weights_.layer[i] = {factors_.back().data(), layer.bias, layer.slope};
    }
    for (std::size_t k = 0; k < static_cast<std::size_t>(stage.hidden); ++k) {
        difference_.data()[k] = weights.heads.direct[16 * k + 1] - weights.heads.direct[16 * k];
    }
    weights_.difference = difference_.data();
    weights_.difference_bias = weights.heads.bias[1] - weights.heads.bias[0];
}

}  // namespace mtcnn_fast::engine
