// What the kernels that score crops roughly before R-Net or O-Net have in common, whatever numbers they compute with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cpp/engine/crop_stage.h"

namespace mtcnn_fast::engine {

// The convolutions and the dense layer: of any network at most, and R-Net's.
inline constexpr std::size_t kMaxRoughLayers = kMaxConvolutions + 1;
inline constexpr std::size_t kRoughLayers = kRNetStage.convolutions + 1;

template <class Layer>
struct RoughWeights {
    std::array<Layer, kMaxRoughLayers> layer;
    const float* difference;  // [hidden]: face minus background
    float difference_bias;
};

// `run` takes up to kCropBlock crops as the network's own kernel does, and writes the difference of the two logits of
// each. `scratch` bytes of memory are aligned to 64 and zeroed once.
template <class Weights>
struct RoughKernel {
    std::size_t scratch;
    void (*run)(const Weights&, const float* crops, int count, std::uint8_t* scratch, float* differences);
};

}  // namespace mtcnn_fast::engine
