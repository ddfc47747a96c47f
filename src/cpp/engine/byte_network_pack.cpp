#include "cpp/engine/byte_network_pack.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpp/engine/byte_network.h"
#include "cpp/engine/crop_stage.h"

namespace mtcnn_fast::engine {
namespace {

constexpr int kQuad = 4;

// The instruction sets without a dot product of four bytes add pairs of products in 16 bits, those of one step.
void check_steps(const std::int8_t* run, int bytes, std::size_t layer) {
    constexpr int kMost = 32767 / 255;
    for (int step = 0; step < bytes; step += kByteStep) {
        int sums[2] = {};
        for (int k = step; k < std::min(step + kByteStep, bytes); ++k) sums[k % kQuad / 2] += std::abs(int{run[k]});
        if (sums[0] > kMost || sums[1] > kMost) {
            throw std::invalid_argument("the weights of layer " + std::to_string(layer) +
                                        " in bytes overflow: pairs of " + "a step may sum to " + std::to_string(kMost));
        }
    }
}

}  // namespace

ByteNetwork::ByteNetwork(const ByteTensors& tensors) {
    for (std::size_t i = 0; i < kRoughLayers; ++i) {
        const ByteShape& shape = kRNetBytes[i];
        const ByteLayerTensors& source = tensors.layer[i];
        const auto lanes = static_cast<std::size_t>(shape.lanes());
        const std::size_t outputs = static_cast<std::size_t>(shape.outputs);
        bytes_.emplace_back(shape.weights());
        std::int8_t* const weights = bytes_.back().data();
        const std::int8_t* run = source.weights;
        for (std::size_t o = 0; o < outputs; ++o)
            for (int s = 0; s < shape.segments; ++s, run += shape.bytes) {
                check_steps(run, shape.bytes, i);
                for (int k = 0; k < shape.bytes; ++k) {
                    const int of_run = s * shape.steps() * (kByteStep / kQuad);
                    const auto quad = static_cast<std::size_t>(of_run) + static_cast<std::size_t>(k) / kQuad;
                    weights[(quad * lanes + o) * kQuad + static_cast<std::size_t>(k % kQuad)] = run[k];
                }
            }
        const auto padded = [&](const float* values) {
            storage_.emplace_back(lanes);
            std::copy_n(values, outputs, storage_.back().data());
            return storage_.back().data();
        };
        weights_.layer[i] = {weights, padded(source.scale), padded(source.bias), padded(source.slope),
                             padded(source.zero)};
    }
    storage_.emplace_back(static_cast<std::size_t>(kRNetStage.hidden));
    std::copy_n(tensors.difference, kRNetStage.hidden, storage_.back().data());
    weights_.difference = storage_.back().data();
    weights_.difference_bias = tensors.difference_bias;
}

}  // namespace mtcnn_fast::engine
