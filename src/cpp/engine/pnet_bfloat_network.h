// P-Net in bfloat16, which scores cells roughly by products of tiles. The layers as the kernel reads them.
#pragma once

#include <array>
#include <cstddef>

#include "cpp/engine/bfloat_network.h"

namespace mtcnn_fast::engine {

// Of the rows 2 y and 2 y + 1 of a level, the numbers of columns 2 x and 2 x + 1: [row][channel][column].
inline constexpr int kPairNumbers = 12;
inline constexpr int kPNetChannels[] = {3, 10, 16, 32};

// The first layer has the four pixels under a pooled one as outputs, each with its channels padded to 16; its runs are
// of the numbers above, for two neighbouring columns. Those of the others are rows of the kernel.
inline constexpr std::array<BfloatShape, 3> kPNetBfloat = {{
    {4 * 16, 2, 2 * kPairNumbers},
    {16, 3, 3 * kPNetChannels[1]},
    {32, 3, 3 * kPNetChannels[2]},
}};

struct PNetBfloatWeights {
    std::array<BfloatLayer, 3> layer;
    const float* difference;  // [32]: face minus background
    float difference_bias;
};

}  // namespace mtcnn_fast::engine
