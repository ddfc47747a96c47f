// R-Net in bytes, which scores crops roughly: activations of 8 bits, weights of 8 bits, sums of 32. The layers, their
// weights as the kernels read them, and the memory that a kernel needs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cpp/engine/crop_stage.h"
#include "cpp/engine/rough_kernel.h"

namespace mtcnn_fast::engine {

// Twelve bytes of a pixel's inputs are one step of the kernels.
inline constexpr int kByteStep = 12;

// A convolution or dense layer as `segments` runs of `bytes` neighbouring inputs; a run is padded to whole steps.
struct ByteShape {
    int outputs;
    int segments;
    int bytes;

    constexpr int lanes() const { return (outputs + 15) / 16 * 16; }
    constexpr int steps() const { return (bytes + kByteStep - 1) / kByteStep; }
    constexpr std::size_t weights() const {
        return std::size_t{kByteStep} * static_cast<std::size_t>(segments * steps() * lanes());
    }
};

// Three convolutions, whose runs are rows of the kernel, and the dense layer.
constexpr std::array<ByteShape, kRoughLayers> byte_shapes(const CropStage& stage) {
    std::array<ByteShape, kRoughLayers> shapes{};
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        const Convolution& layer = stage.convolution[i];
        shapes[i] = {layer.outputs, layer.kernel, layer.kernel * layer.inputs};
    }
    shapes[stage.convolutions] = {stage.hidden, 1, 9 * stage.last().outputs};
    return shapes;
}

inline constexpr std::array<ByteShape, kRoughLayers> kRNetBytes = byte_shapes(kRNetStage);

// An output is PReLU(scale * sum + bias), and what is stored of it clamp(that + zero) of 8 bits; the last layer's is
// kept. All arrays have lanes() elements.
struct ByteLayer {
    const std::int8_t* weights;  // [segment][step][3][lane][4]
    const float* scale;
    const float* bias;
    const float* slope;
    const float* zero;
};

using ByteNetworkWeights = RoughWeights<ByteLayer>;

// The same bits on every instruction set. The difference is infinity where a map has the greatest byte: what lay beyond
// was cut off, and by how much the difference is wrong then, nobody has measured.
using ByteKernel = RoughKernel<ByteNetworkWeights>;

}  // namespace mtcnn_fast::engine
