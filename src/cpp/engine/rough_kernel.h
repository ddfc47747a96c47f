// The interface of the kernels that score crops roughly before R-Net, whatever numbers they compute with.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtcnn_fast::engine {

// `run` takes up to kCropBlock crops as R-Net's kernel does, and writes the difference of the two logits of each.
// `scratch` bytes of memory are aligned to 64 and zeroed once.
template <class Weights>
struct RoughKernel {
    std::size_t scratch;
    void (*run)(const Weights&, const float* crops, int count, std::uint8_t* scratch, float* differences);
};

}  // namespace mtcnn_fast::engine
