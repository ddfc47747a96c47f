// R-Net and O-Net in bfloat16, which score crops roughly by products of tiles: factors of 16 bits, sums of float32. The
// layers and their weights as the kernels read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cpp/engine/crop_stage.h"
#include "cpp/engine/rough_kernel.h"

namespace mtcnn_fast::engine {

// A tile: 16 rows of 32 numbers of bfloat16, or of 16 of float32.
inline constexpr int kTileSide = 16;
inline constexpr int kTilePairs = 16;
inline constexpr int kTileDepth = 2 * kTilePairs;
inline constexpr int kTileFactors = kTileSide * kTileDepth;

// A convolution or dense layer as `segments` runs of `inputs` neighbouring numbers, those that pad a pixel to
// padded_channels() included; a run is padded to whole tiles.
struct BfloatShape {
    int outputs;
    int segments;
    int inputs;

    constexpr int lanes() const { return padded_channels(outputs); }
    constexpr int steps() const { return (inputs + kTileDepth - 1) / kTileDepth; }
    // Of sixteen outputs.
    constexpr int weights() const { return segments * steps() * kTileFactors; }
    // Where the weight of output `o` for number k of segment s lies.
    constexpr int place(int o, int s, int k) const {
        const int step = s * steps() + k / kTileDepth, pair = k % kTileDepth / 2;
        return o / kTileSide * weights() + step * kTileFactors + (pair * kTileSide + o % kTileSide) * 2 + k % 2;
    }
};

// The convolutions, whose runs are rows of the kernel, and the dense layer.
constexpr std::array<BfloatShape, kMaxRoughLayers> bfloat_shapes(const CropStage& stage) {
    std::array<BfloatShape, kMaxRoughLayers> shapes{};
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        const Convolution& layer = stage.convolution[i];
        const int channels = i == 0 ? layer.inputs : padded_channels(layer.inputs);
        shapes[i] = {layer.outputs, layer.kernel, layer.kernel * channels};
    }
    shapes[stage.convolutions] = {stage.hidden, 1, 9 * stage.last().outputs};
    return shapes;
}

// An output is PReLU(bias + sum). `bias` and `slope` have lanes() elements.
struct BfloatLayer {
    const std::uint16_t* weights;  // [sixteen outputs][segment][step][pair of inputs][output][2]
    const float* bias;
    const float* slope;
};

using BfloatNetworkWeights = RoughWeights<BfloatLayer>;

using BfloatKernel = RoughKernel<BfloatNetworkWeights>;

struct BfloatKernels {
    BfloatKernel rnet;
    BfloatKernel onet;
};

}  // namespace mtcnn_fast::engine
