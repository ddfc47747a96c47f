// R-Net and O-Net, described once: the kernels, the packing of weights and the cascade follow these tables.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>

namespace mtcnn_fast::engine {

inline constexpr std::size_t kMaxConvolutions = 4;

// Crops that a call of a crop network takes at once.
inline constexpr int kCropBlock = 8;

// Floats that it writes a crop: two logits, four box offsets and, for O-Net, ten landmark coordinates.
inline constexpr std::size_t kCropOutputs = 16;

// Channels are padded to a multiple of this, the lanes of the widest vector.
constexpr int padded_channels(int n) { return (n + 15) / 16 * 16; }

// A convolution, PReLU, and a maximum of pool x pool with stride 2 in ceil mode.
struct Convolution {
    int inputs;
    int outputs;
    int kernel;
    int pool;  // 0 for none
    // m of Winograd's F(m x m, 3 x 3), whose tiles cover the output exactly, and in the first layer of F(m, 3) along
    // the columns; 0: computed directly.
    int winograd;

    constexpr bool operator==(const Convolution&) const = default;
    constexpr int after_kernel(int side) const { return side - kernel + 1; }
    constexpr int after_pool(int side) const {
        return pool > 0 ? (after_kernel(side) - pool + 1) / 2 + 1 : after_kernel(side);
    }
};

// A network on crops of size x size pixels: convolutions, a dense layer on the 3 x 3 pixels that they leave, and heads.
// Tensors are named by position: conv1, prelu1, ..., then dense<n> and prelu<n>, then dense<n + 1>_1 (logits), _2 (box
// offsets) and _3 (landmarks).
struct CropStage {
    int size;
    std::size_t convolutions;
    std::array<Convolution, kMaxConvolutions> convolution;
    // The first ones, whose maps are large, run crop by crop to stay in the cache; the others on a block of crops.
    std::size_t crop_by_crop;
    int hidden;     // outputs of the dense layer
    int landmarks;  // coordinates, or 0

    constexpr bool operator==(const CropStage&) const = default;
    // Side of the maps that convolution i reads.
    constexpr int side(std::size_t i) const {
        int n = size;
        for (std::size_t k = 0; k < i; ++k) n = convolution[k].after_pool(n);
        return n;
    }
    constexpr const Convolution& last() const { return convolution[convolutions - 1]; }
};

// Most channels of a convolution and most outputs of the dense layer: weights need memory for several times their own.
inline constexpr int kMaxChannels = 512;
inline constexpr int kMaxHidden = 1024;

// Whether the kernels can run it: their layers are 3 -> n with a maximum of 3 x 3; any number of 3x3 convolutions with
// a maximum; and a 2x2 convolution from 4 x 4 to 3 x 3 pixels.
constexpr bool is_runnable(const CropStage& stage) {
    const std::size_t n = stage.convolutions;
    if (n < 2 || n > kMaxConvolutions || stage.size % 8 != 0) return false;
    if (stage.crop_by_crop < 1 || stage.crop_by_crop > n - 1) return false;
    if (stage.landmarks < 0 || 6 + stage.landmarks > static_cast<int>(kCropOutputs)) return false;
    if (stage.hidden % 16 != 0 || stage.last().inputs % 16 != 0 || stage.last().outputs % 16 != 0) return false;
    if (stage.hidden < 1 || stage.hidden > kMaxHidden) return false;
    for (std::size_t i = 0; i < n; ++i) {
        const Convolution& layer = stage.convolution[i];
        if (layer.inputs != (i == 0 ? 3 : stage.convolution[i - 1].outputs)) return false;
        if (layer.outputs < 1 || layer.outputs > kMaxChannels) return false;
        if (i + 1 == n) return layer.kernel == 2 && layer.pool == 0 && layer.winograd == 0 && stage.side(i) == 4;
        if (layer.kernel != 3 || (layer.pool != 2 && layer.pool != 3)) return false;
        if (i == 0 && (layer.pool != 3 || (layer.winograd != 0 && layer.winograd != 4))) return false;
        if (layer.winograd != 0 && layer.winograd != 3 && layer.winograd != 4) return false;
        if (i > 0 && layer.winograd != 0 && layer.after_kernel(stage.side(i)) % layer.winograd != 0) return false;
    }
    return false;
}

// Not inline: a kernel that is instantiated for one of these is then local to its file, as kernels must be.
constexpr CropStage kRNetStage{.size = 24,
                               .convolutions = 3,
                               .convolution = {{{.inputs = 3, .outputs = 28, .kernel = 3, .pool = 3, .winograd = 4},
                                                {.inputs = 28, .outputs = 48, .kernel = 3, .pool = 3, .winograd = 3},
                                                {.inputs = 48, .outputs = 64, .kernel = 2, .pool = 0, .winograd = 0},
                                                {}}},
                               .crop_by_crop = 1,
                               .hidden = 128,
                               .landmarks = 0};
static_assert(is_runnable(kRNetStage));

constexpr CropStage kONetStage{.size = 48,
                               .convolutions = 4,
                               .convolution = {{{.inputs = 3, .outputs = 32, .kernel = 3, .pool = 3, .winograd = 4},
                                                {.inputs = 32, .outputs = 64, .kernel = 3, .pool = 3, .winograd = 3},
                                                {.inputs = 64, .outputs = 64, .kernel = 3, .pool = 2, .winograd = 4},
                                                {.inputs = 64, .outputs = 128, .kernel = 2, .pool = 0, .winograd = 0}}},
                               .crop_by_crop = 2,
                               .hidden = 256,
                               .landmarks = 10};
static_assert(is_runnable(kONetStage));

}  // namespace mtcnn_fast::engine
