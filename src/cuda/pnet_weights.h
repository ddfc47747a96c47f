// P-Net's weights as the fused kernel reads them: output channels innermost, padded to whole float4.
#pragma once

#include <vector>

#include "cuda/host_tensors.h"

namespace mtcnn_fast::cuda {

// Places in the packed array, in floats. Convolutions are [input channel][row][column][output channel].
struct PNetLayout {
    // The first convolution's channels in two shares, each padded.
    static constexpr int kChannels1 = 10, kShare1 = 5, kShareStride1 = 8, kPadded1 = 2 * kShareStride1;
    static constexpr int kChannels2 = 16, kChannels3 = 32;
    static constexpr int kLogits = 6, kPaddedLogits = 8;  // two classes, then four offsets

    static constexpr int kConv1 = 0;
    static constexpr int kBias1 = kConv1 + 3 * 9 * kPadded1;
    static constexpr int kSlope1 = kBias1 + kPadded1;
    static constexpr int kConv2 = kSlope1 + kPadded1;
    static constexpr int kBias2 = kConv2 + kChannels1 * 9 * kChannels2;
    static constexpr int kSlope2 = kBias2 + kChannels2;
    static constexpr int kConv3 = kSlope2 + kChannels2;
    static constexpr int kBias3 = kConv3 + kChannels2 * 9 * kChannels3;
    static constexpr int kSlope3 = kBias3 + kChannels3;
    static constexpr int kHeads = kSlope3 + kChannels3;  // [channel][logit]
    static constexpr int kHeadBias = kHeads + kChannels3 * kPaddedLogits;
    static constexpr int kFloats = kHeadBias + kPaddedLogits;
};

// `tensors` has the names and shapes of the weights files (mtcnn_fast.weights.spec). Throws std::invalid_argument that
// names the tensor if one is missing or has another shape.
std::vector<float> pack_pnet_weights(const HostTensors& tensors);

}  // namespace mtcnn_fast::cuda
