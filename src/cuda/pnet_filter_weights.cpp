#include <cuda_fp16.h>

#include <cstring>

#include "cuda/pnet_filter.h"
#include "cuda/pnet_weights.h"

namespace mtcnn_fast::cuda {
namespace {

using F = PNetFilterLayout;

constexpr int kLanes = 32, kColumns = 8;

void put_half(float value, std::byte* to) {
    const __half half = __float2half_rn(value);
    std::memcpy(to, &half, sizeof half);
}

// The factors of all steps. `weight_at(step, k, output)` is what output gets of number k of the 16 of a step.
template <typename WeightAt>
void put_factors(int steps, int outputs, const WeightAt& weight_at, std::byte* to) {
    for (int i = 0; i < steps * outputs / kColumns * kLanes; ++i) {
        const int lane = i % kLanes, group = i / kLanes % (outputs / kColumns),
                  step = i / kLanes / (outputs / kColumns);
        for (int j = 0; j < 4; ++j) {
            const int k = 2 * (lane % 4) + j % 2 + j / 2 * 8;
            put_half(weight_at(step, k, group * kColumns + lane / 4), to + 8 * i + 2 * j);
        }
    }
}

void put_floats(const float* values, int count, std::byte* to) { std::memcpy(to, values, count * sizeof(float)); }

}  // namespace

std::vector<std::byte> pack_pnet_filter_weights(const HostTensors& tensors) {
    using L = PNetLayout;
    std::vector<std::byte> packed(F::kBytes);
    std::byte* const p = packed.data();
    const float* const first = find_tensor(tensors, "conv1.weight", {L::kChannels1, 3, 3, 3}).data;
    put_factors(
        F::kSteps1, F::kOutputs1,
        [=](int row, int k, int o) {
            const int pixel = k / 4, channel = k % 4;
            return o < L::kChannels1 && pixel < 3 && channel < 3 ? first[((o * 3 + channel) * 3 + row) * 3 + pixel]
                                                                 : 0.0f;
        },
        p + F::kConv1);
    const auto layer = [&](const char* name, int outputs, int inputs, int padded, int at) {
        const float* const weights = find_tensor(tensors, name, {outputs, inputs, 3, 3}).data;
        put_factors(
            F::kSteps, padded,
            [=](int step, int k, int o) { return k < inputs ? weights[(o * inputs + k) * 9 + step] : 0.0f; }, p + at);
    };
    layer("conv2.weight", L::kChannels2, L::kChannels1, F::kOutputs2, F::kConv2);
    layer("conv3.weight", L::kChannels3, L::kChannels2, F::kOutputs3, F::kConv3);
    const auto floats = [&](const std::string& name, int outputs, int at) {
        put_floats(find_tensor(tensors, name, {outputs}).data, outputs, p + at);
    };
    floats("conv1.bias", L::kChannels1, F::kBias1);
    floats("prelu1.weight", L::kChannels1, F::kSlope1);
    floats("conv2.bias", L::kChannels2, F::kBias2);
    floats("prelu2.weight", L::kChannels2, F::kSlope2);
    floats("conv3.bias", L::kChannels3, F::kBias3);
    floats("prelu3.weight", L::kChannels3, F::kSlope3);
    const float* const head = find_tensor(tensors, "conv4_1.weight", {2, L::kChannels3, 1, 1}).data;
    for (int i = 0; i < L::kChannels3; ++i) {
        const float difference = head[L::kChannels3 + i] - head[i];
        put_floats(&difference, 1, p + F::kHead + 4 * i);
    }
    const float* const bias = find_tensor(tensors, "conv4_1.bias", {2}).data;
    const float difference = bias[1] - bias[0];
    put_floats(&difference, 1, p + F::kHeadBias);
    return packed;
}

}  // namespace mtcnn_fast::cuda
