// The three networks by their definition (docs/semantics.md, Networks), in float64 and without any cleverness.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "cpp/engine/network_weights.h"

namespace mtcnn_fast::reference {

using engine::Tensor;
using engine::TensorMap;

// Channels of height x width values.
struct Maps {
    std::size_t channels, height, width;
    std::vector<double> values;

    Maps(std::size_t c, std::size_t h, std::size_t w) : channels(c), height(h), width(w), values(c * h * w) {}
    double& at(std::size_t c, std::size_t y, std::size_t x) { return values[(c * height + y) * width + x]; }
    double at(std::size_t c, std::size_t y, std::size_t x) const { return values[(c * height + y) * width + x]; }
};

// Planes of float32 as Maps.
inline Maps planes(const float* data, std::size_t height, std::size_t width) {
    Maps maps(3, height, width);
    for (std::size_t i = 0; i < maps.values.size(); ++i) maps.values[i] = static_cast<double>(data[i]);
    return maps;
}

inline Maps conv(const TensorMap& net, const std::string& name, const Maps& in) {
    const Tensor& weight = net.at(name + ".weight");
    const float* const bias = net.at(name + ".bias").data;
    const std::size_t k = weight.shape[2];
    Maps out(weight.shape[0], in.height - k + 1, in.width - k + 1);
    for (std::size_t o = 0; o < out.channels; ++o)
        for (std::size_t y = 0; y < out.height; ++y)
            for (std::size_t x = 0; x < out.width; ++x) {
                auto sum = static_cast<double>(bias[o]);
                for (std::size_t c = 0; c < in.channels; ++c)
                    for (std::size_t i = 0; i < k; ++i)
                        for (std::size_t j = 0; j < k; ++j) {
                            const float w = weight.data[((o * in.channels + c) * k + i) * k + j];
                            sum += static_cast<double>(w) * in.at(c, y + i, x + j);
                        }
                out.at(o, y, x) = sum;
            }
    return out;
}

inline Maps prelu(const TensorMap& net, const std::string& name, Maps maps) {
    const float* const slope = net.at(name + ".weight").data;
    const std::size_t plane = maps.height * maps.width;
    for (std::size_t i = 0; i < maps.values.size(); ++i) {
        // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): where there are values, the plane is not empty.
        if (maps.values[i] <= 0) maps.values[i] *= static_cast<double>(slope[i / plane]);
    }
    return maps;
}

// Maximum of k x k, stride 2, ceil mode.
inline Maps pool(const Maps& in, std::size_t k) {
    Maps out(in.channels, (in.height - k + 1) / 2 + 1, (in.width - k + 1) / 2 + 1);
    for (std::size_t c = 0; c < out.channels; ++c)
        for (std::size_t y = 0; y < out.height; ++y)
            for (std::size_t x = 0; x < out.width; ++x) {
                double best = in.at(c, 2 * y, 2 * x);
                for (std::size_t i = 2 * y; i < std::min(2 * y + k, in.height); ++i)
                    for (std::size_t j = 2 * x; j < std::min(2 * x + k, in.width); ++j)
                        best = std::max(best, in.at(c, i, j));
                out.at(c, y, x) = best;
            }
    return out;
}

// Column by column, channels fastest.
inline Maps flatten(const Maps& in) {
    Maps out(in.channels * in.height * in.width, 1, 1);
    std::size_t n = 0;
    for (std::size_t x = 0; x < in.width; ++x)
        for (std::size_t y = 0; y < in.height; ++y)
            for (std::size_t c = 0; c < in.channels; ++c) out.values[n++] = in.at(c, y, x);
    return out;
}

inline Maps dense(const TensorMap& net, const std::string& name, const Maps& in) {
    const Tensor& weight = net.at(name + ".weight");
    const float* const bias = net.at(name + ".bias").data;
    Maps out(weight.shape[0], 1, 1);
    for (std::size_t o = 0; o < out.channels; ++o) {
        auto sum = static_cast<double>(bias[o]);
        for (std::size_t i = 0; i < in.values.size(); ++i) {
            sum += static_cast<double>(weight.data[o * in.values.size() + i]) * in.values[i];
        }
        out.values[o] = sum;
    }
    return out;
}

struct Output {
    Maps logits;
    Maps offsets;
    Maps landmarks;

    double score(std::size_t y = 0, std::size_t x = 0) const {
        return 1 / (1 + std::exp(logits.at(0, y, x) - logits.at(1, y, x)));
    }
};

inline Output pnet(const TensorMap& net, const Maps& image) {
    const Maps pooled = pool(prelu(net, "prelu1", conv(net, "conv1", image)), 2);
    const Maps middle = prelu(net, "prelu2", conv(net, "conv2", pooled));
    const Maps last = prelu(net, "prelu3", conv(net, "conv3", middle));
    return {conv(net, "conv4_1", last), conv(net, "conv4_2", last), Maps(0, 0, 0)};
}

inline Output rnet(const TensorMap& net, const Maps& crop) {
    const Maps first = pool(prelu(net, "prelu1", conv(net, "conv1", crop)), 3);
    const Maps second = pool(prelu(net, "prelu2", conv(net, "conv2", first)), 3);
    const Maps third = prelu(net, "prelu3", conv(net, "conv3", second));
    const Maps hidden = prelu(net, "prelu4", dense(net, "dense4", flatten(third)));
    return {dense(net, "dense5_1", hidden), dense(net, "dense5_2", hidden), Maps(0, 0, 0)};
}

inline Output onet(const TensorMap& net, const Maps& crop) {
    const Maps first = pool(prelu(net, "prelu1", conv(net, "conv1", crop)), 3);
    const Maps second = pool(prelu(net, "prelu2", conv(net, "conv2", first)), 3);
    const Maps third = pool(prelu(net, "prelu3", conv(net, "conv3", second)), 2);
    const Maps fourth = prelu(net, "prelu4", conv(net, "conv4", third));
    const Maps hidden = prelu(net, "prelu5", dense(net, "dense5", flatten(fourth)));
    return {dense(net, "dense6_1", hidden), dense(net, "dense6_2", hidden), dense(net, "dense6_3", hidden)};
}

}  // namespace mtcnn_fast::reference
