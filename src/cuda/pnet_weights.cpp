#include "cuda/pnet_weights.h"

#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

using Tensors = std::map<std::string, HostTensor>;

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text;
    for (const int64_t n : shape) text += (text.empty() ? "(" : ", ") + std::to_string(n);
    return text + (shape.size() == 1 ? ",)" : ")");
}

const float* find(const Tensors& tensors, const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = tensors.find(name);
    require(found != tensors.end(), "weights must have a tensor '" + name + "'");
    require(found->second.shape == shape,
            "weights' tensor '" + name + "' must be " + shape_text(shape) + ", got " + shape_text(found->second.shape));
    return found->second.data;
}

// (out, in, k, k) to [in][k][k][padded], into which `first` outputs have gone already.
void pack_convolution(const float* source, int out, int in, int taps, int padded, int first, float* packed) {
    for (int o = 0; o < out; ++o) {
        for (int i = 0; i < in * taps; ++i) packed[i * padded + first + o] = source[o * in * taps + i];
    }
}

void copy(const float* source, int count, float* packed) {
    for (int i = 0; i < count; ++i) packed[i] = source[i];
}

}  // namespace

std::vector<float> pack_pnet_weights(const Tensors& tensors) {
    using L = PNetLayout;
    std::vector<float> packed(L::kFloats, 0.0f);
    float* const p = packed.data();
    const auto layer = [&](const std::string& number, int out, int in, int padded, int weights, int bias, int slope) {
        pack_convolution(find(tensors, "conv" + number + ".weight", {out, in, 3, 3}), out, in, 9, padded, 0,
                         p + weights);
        copy(find(tensors, "conv" + number + ".bias", {out}), out, p + bias);
        copy(find(tensors, "prelu" + number + ".weight", {out}), out, p + slope);
    };
    layer("1", L::kChannels1, 3, L::kPadded1, L::kConv1, L::kBias1, L::kSlope1);
    layer("2", L::kChannels2, L::kChannels1, L::kChannels2, L::kConv2, L::kBias2, L::kSlope2);
    layer("3", L::kChannels3, L::kChannels2, L::kChannels3, L::kConv3, L::kBias3, L::kSlope3);
    const auto head = [&](const std::string& name, int out, int first) {
        const float* const weight = find(tensors, name + ".weight", {out, L::kChannels3, 1, 1});
        pack_convolution(weight, out, L::kChannels3, 1, L::kPaddedLogits, first, p + L::kHeads);
        copy(find(tensors, name + ".bias", {out}), out, p + L::kHeadBias + first);
    };
    head("conv4_1", 2, 0);
    head("conv4_2", 4, 2);
    return packed;
}

}  // namespace mtcnn_fast::cuda
