#include "cpp/engine/pnet_bfloat_pack.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/bfloat_network_pack.h"
#include "cpp/engine/layers.h"
#include "cpp/engine/pnet_bfloat_network.h"

namespace mtcnn_fast::engine {
namespace {

constexpr int kSide = 3;

// The rounded weights of a convolution.
class Rounded {
  public:
    // from(o, c, y, x) is the weight of output o for channel c of the kernel's pixel (y, x).
    template <class From>
    Rounded(int outputs, int channels, From from) : channels_(channels), at_(std::size_t{9} * outputs * channels) {
        for (int o = 0; o < outputs; ++o)
            for (int c = 0; c < channels; ++c) {
                float weights[kSide][kSide];
                std::uint16_t rounded[kSide][kSide];
                for (int y = 0; y < kSide; ++y)
                    for (int x = 0; x < kSide; ++x) weights[y][x] = from(o, c, y, x);
                round_kernel(weights, rounded);
                std::copy_n(&rounded[0][0], 9, at_.begin() + 9 * (o * channels + c));
            }
    }

    // 0 beyond the kernel.
    std::uint16_t at(int o, int c, int y, int x) const {
        if (y < 0 || y >= kSide || x < 0 || x >= kSide) return 0;
        return at_[static_cast<std::size_t>(9 * (o * channels_ + c) + kSide * y + x)];
    }

  private:
    int channels_;
    std::vector<std::uint16_t> at_;
};

// weight(o, s, k) is what output o has for number k of segment s.
template <class Weight>
Aligned<std::uint16_t> pack(const BfloatShape& shape, Weight weight) {
    Aligned<std::uint16_t> packed(static_cast<std::size_t>(shape.lanes() / kTileSide * shape.weights()));
    for (int o = 0; o < shape.outputs; ++o)
        for (int s = 0; s < shape.segments; ++s)
            for (int k = 0; k < shape.inputs; ++k) packed.data()[shape.place(o, s, k)] = weight(o, s, k);
    return packed;
}

Aligned<std::uint16_t> pack_conv1(const PNetWeights& pnet) {
    constexpr int kOutputs = kPNetChannels[1];
    const Rounded weights(kOutputs, kPNetChannels[0], [&](int o, int c, int y, int x) {
        return pnet.conv1_direct[((c * kSide + y) * kSide + x) * kOutputs + o];
    });
    return pack(kPNetBfloat[0], [&](int o, int s, int k) -> std::uint16_t {
        const int channel = o % kTileSide, row = o / kTileSide / 2, column = o / kTileSide % 2;
        if (channel >= kOutputs) return 0;
        const int number = k % kPairNumbers / 2;
        const int y = 2 * s + number / 3 - row, x = 2 * (k / kPairNumbers) + k % 2 - column;
        return weights.at(channel, number % 3, y, x);
    });
}

Aligned<std::uint16_t> pack_rows(const Layer& layer, const BfloatShape& shape, int channels) {
    const int lanes = shape.lanes();
    const Rounded weights(shape.outputs, channels, [&](int o, int c, int y, int x) {
        return layer.direct[((y * kSide + x) * channels + c) * lanes + o];
    });
    return pack(shape, [&](int o, int s, int k) { return weights.at(o, k % channels, s, k / channels); });
}

}  // namespace

void round_kernel(const float (&weights)[3][3], std::uint16_t (&rounded)[3][3]) {
    float rest = 0.0f;
    for (int y = 0; y < kSide; ++y)
        for (int k = 0; k < kSide; ++k) {
            const int x = y % 2 == 0 ? k : kSide - 1 - k;
            const float weight = weights[y][x] + rest;
            rounded[y][x] = to_bfloat(weight);
            rest = weight - std::bit_cast<float>(std::uint32_t{rounded[y][x]} << 16);
        }
}

PNetBfloat::PNetBfloat(const PNetWeights& pnet) : bias_(static_cast<std::size_t>(kPNetBfloat[0].outputs)) {
    factors_.push_back(pack_conv1(pnet));
    factors_.push_back(pack_rows(pnet.conv2, kPNetBfloat[1], kPNetChannels[1]));
    factors_.push_back(pack_rows(pnet.conv3, kPNetBfloat[2], kPNetChannels[2]));
    for (int i = 0; i < kPNetBfloat[0].outputs; i += kTileSide) {
        std::copy_n(pnet.conv1_bias, kPNetChannels[1], bias_.data() + i);
    }
    weights_.layer = {{{factors_[0].data(), bias_.data(), pnet.conv1_slope},
                       {factors_[1].data(), pnet.conv2.bias, pnet.conv2.slope},
                       {factors_[2].data(), pnet.conv3.bias, pnet.conv3.slope}}};
    weights_.difference = pnet.logit_difference;
    weights_.difference_bias = pnet.logit_difference_bias;
}

}  // namespace mtcnn_fast::engine
