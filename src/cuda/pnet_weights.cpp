#include "cuda/pnet_weights.h"

namespace mtcnn_fast::cuda {

std::vector<float> pack_pnet_weights(const HostTensors& tensors) {
    using L = PNetLayout;
    std::vector<float> packed(L::kFloats, 0.0f);
    float* const p = packed.data();
    const auto first = [&](const HostTensor& tensor, int products, int at) {
        for (int o = 0; o < L::kChannels1; ++o) {
            const int place = o / L::kShare1 * L::kShareStride1 + o % L::kShare1;
            for (int i = 0; i < products; ++i) p[at + i * L::kPadded1 + place] = tensor.data[o * products + i];
        }
    };
    first(find_tensor(tensors, "conv1.weight", {L::kChannels1, 3, 3, 3}), 3 * 9, L::kConv1);
    first(find_tensor(tensors, "conv1.bias", {L::kChannels1}), 1, L::kBias1);
    first(find_tensor(tensors, "prelu1.weight", {L::kChannels1}), 1, L::kSlope1);
    const auto layer = [&](const std::string& number, int out, int in, int weights, int bias, int slope) {
        pack_products(find_tensor(tensors, "conv" + number + ".weight", {out, in, 3, 3}), out, in * 9, out, 0,
                      p + weights);
        copy_tensor(find_tensor(tensors, "conv" + number + ".bias", {out}), p + bias);
        copy_tensor(find_tensor(tensors, "prelu" + number + ".weight", {out}), p + slope);
    };
    layer("2", L::kChannels2, L::kChannels1, L::kConv2, L::kBias2, L::kSlope2);
    layer("3", L::kChannels3, L::kChannels2, L::kConv3, L::kBias3, L::kSlope3);
    const auto head = [&](const std::string& name, int out, int first) {
        const HostTensor& weight = find_tensor(tensors, name + ".weight", {out, L::kChannels3, 1, 1});
        pack_products(weight, out, L::kChannels3, L::kPaddedLogits, first, p + L::kHeads);
        copy_tensor(find_tensor(tensors, name + ".bias", {out}), p + L::kHeadBias + first);
    };
    head("conv4_1", 2, 0);
    head("conv4_2", 4, 2);
    return packed;
}

}  // namespace mtcnn_fast::cuda
