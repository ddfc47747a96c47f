// The networks' weights as the kernels read them: plain pointers into a NetworkWeights.
#pragma once

#include <array>

#include "cpp/engine/crop_layout.h"
#include "cpp/engine/crop_stage.h"

namespace mtcnn_fast::engine {

// One convolution or dense layer, as pointers into the storage.
struct Layer {
    const float* direct;  // [kernel row][kernel column][input channel][output channel]
    // [transform point][input channel][output channel], and for a transform of the columns only [transform
    // point][kernel column][input channel][output channel]; or null.
    const float* winograd;
    const float* bias;   // [output channel]
    const float* slope;  // PReLU, [output channel]; null for the heads
};

struct PNetWeights {
    // conv1 works on planes, so its output channels are not in lanes: [ci][ky][kx][10], and, transformed vertically
    // only, [6 points][ci][kx][10].
    const float* conv1_direct;
    const float* conv1_winograd;
    const float* conv1_bias;
    const float* conv1_slope;
    Layer conv2;
    Layer conv3;
    const float* logit_difference;  // [32]: face minus background
    float logit_difference_bias;
    const float* head;       // [32][8]: two logits, four offsets, two zeros
    const float* head_bias;  // [8]
};

// R-Net or O-Net.
struct CropNetWeights {
    std::array<Layer, kMaxConvolutions> convolution;
    Layer dense;
    Layer heads;           // logits, offsets and, for O-Net, landmarks, padded to 16
    CropStage stage;       // with the widths of these weights
    CropNetLayout layout;  // of the kernel that runs any widths
};

}  // namespace mtcnn_fast::engine
