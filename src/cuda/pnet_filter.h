// P-Net by tensor cores in half precision, as a filter before the exact one.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/host_tensors.h"
#include "cuda/pnet.h"

namespace mtcnn_fast::cuda {

// Places in the filter's packed weights, in bytes. Each step of a convolution has the second factor of `multiply_add`
// for 8 output channels after the other, as the 32 lanes take it. Steps are the rows of the first kernel (four pixels
// of four channels, the last of both zeros), and the places of the others (16 channels).
struct PNetFilterLayout {
    static constexpr int kSteps1 = 3, kSteps = 9;
    static constexpr int kOutputs1 = 16, kOutputs2 = 16, kOutputs3 = 32;  // padded to whole matrices

    static constexpr int kFactor = 32 * 8;
    static constexpr int kConv1 = 0;
    static constexpr int kConv2 = kConv1 + kSteps1 * kOutputs1 / 8 * kFactor;
    static constexpr int kConv3 = kConv2 + kSteps * kOutputs2 / 8 * kFactor;
    // From here on float32: bias and slope of each output, and what it adds to the face's logit less the other.
    static constexpr int kBias1 = kConv3 + kSteps * kOutputs3 / 8 * kFactor;
    static constexpr int kSlope1 = kBias1 + 4 * kOutputs1;
    static constexpr int kBias2 = kSlope1 + 4 * kOutputs1;
    static constexpr int kSlope2 = kBias2 + 4 * kOutputs2;
    static constexpr int kBias3 = kSlope2 + 4 * kOutputs2;
    static constexpr int kSlope3 = kBias3 + 4 * kOutputs3;
    static constexpr int kHead = kSlope3 + 4 * kOutputs3;
    static constexpr int kHeadBias = kHead + 4 * kOutputs3;
    static constexpr int kBytes = kHeadBias + 4;
};

// As `pack_pnet_weights`.
std::vector<std::byte> pack_pnet_filter_weights(const HostTensors& tensors);

struct PNetFilterArguments {
    const std::byte* weights;  // pack_pnet_filter_weights() in device memory, aligned to 8 bytes
    float limit;               // of a face's logit less the other: parts of tiles that stay below it are dropped
    uint8_t* wanted;           // (plan.parts()) which are not
};

// As `pnet`, in two launches. The first computes all cells in half precision. In a part of a tile (8 x 8 cells) where
// all stay below the limit, it writes scores of 0 and leaves the offsets. The second computes the other parts as `pnet`
// does, with the same bits.
void pnet_filtered(const PNetPlan& plan, const PNetArguments& arguments, const PNetFilterArguments& filter,
                   cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
