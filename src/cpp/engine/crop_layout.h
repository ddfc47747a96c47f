// Where a crop network keeps its maps in the scratch memory, in floats. Made at compile time for the standard widths,
// and once for other weights.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cpp/engine/crop_stage.h"

namespace mtcnn_fast::engine {

inline constexpr int kCropTiles = 36;  // Winograd tiles computed together

// Floats of workspace for a first layer on crops of size x size pixels: six transformed rows, padded by what vectors
// and register tiles write or read beyond their ends.
constexpr std::size_t crop_row(std::size_t size) { return 3 * size + 16; }
constexpr std::size_t crop_conv1_workspace(std::size_t size) { return 6 * crop_row(size); }

// Floats of workspace for Winograd's method with `ci` input channels, in vectors of `lanes`, and `co` output channels:
// transformed inputs, one row of products, row-transformed products.
constexpr std::size_t winograd_workspace(std::size_t m, std::size_t ci, std::size_t co, std::size_t tiles,
                                         std::size_t lanes) {
    const std::size_t n = m + 2;
    const std::size_t padded = (ci + lanes - 1) / lanes * lanes;
    return tiles * (n * n * padded + n * co + n * m * co);
}

// Maps are padded by what register tiles read or write beyond their last pixel: two pixels, which for the dense layer
// are crops.
struct CropNetLayout {
    int side[kMaxConvolutions] = {};      // of the maps that a convolution reads
    int channels[kMaxConvolutions] = {};  // floats a pixel of its output
    std::size_t convolved[kMaxConvolutions] = {};
    std::size_t pooled[kMaxConvolutions] = {};
    std::size_t hidden = 0;
    std::size_t workspace = 0;
    std::size_t floats = 0;

    constexpr CropNetLayout() = default;

    // For kernels whose vectors have at most `lanes` floats.
    constexpr CropNetLayout(const CropStage& stage, std::size_t lanes) {
        std::size_t pad = 3 * 9 * static_cast<std::size_t>(stage.last().outputs);
        for (std::size_t i = 0; i < stage.convolutions; ++i) pad = std::max(pad, 3 * width(stage, i));
        std::size_t transforms = 0;
        std::size_t at = 0;
        for (std::size_t i = 0; i < stage.convolutions; ++i) {
            const Convolution& layer = stage.convolution[i];
            const auto before = static_cast<std::size_t>(layer.after_kernel(stage.side(i)));
            const auto after = static_cast<std::size_t>(layer.after_pool(stage.side(i)));
            side[i] = stage.side(i);
            channels[i] = padded_channels(layer.outputs);
            convolved[i] = at;
            // The first layer keeps three rows only.
            const std::size_t maps = i < stage.crop_by_crop ? 1 : kCropBlock;
            at += (i == 0 ? 3 * static_cast<std::size_t>(stage.size) : maps * before * before) * width(stage, i) + pad;
            pooled[i] = at;
            if (layer.pool > 0) {
                at += (i + 1 < stage.crop_by_crop ? 1 : kCropBlock) * after * after * width(stage, i) + pad;
            }
            transforms = std::max(transforms, workspace_of(stage, i, lanes));
        }
        hidden = at;
        workspace = hidden + (kCropBlock + 3) * static_cast<std::size_t>(stage.hidden);
        floats = workspace + transforms;
    }

  private:
    static constexpr std::size_t width(const CropStage& stage, std::size_t i) {
        return static_cast<std::size_t>(padded_channels(stage.convolution[i].outputs));
    }

    // What a layer computes in: the first one six transformed rows and their products; the last one the inputs of all
    // its pixels, side by side; with Winograd's method also one more tile.
    static constexpr std::size_t workspace_of(const CropStage& stage, std::size_t i, std::size_t lanes) {
        const Convolution& layer = stage.convolution[i];
        const auto size = static_cast<std::size_t>(stage.size), inputs = static_cast<std::size_t>(layer.inputs);
        if (i == 0) return crop_conv1_workspace(size) + 6 * size * width(stage, i);
        if (i + 1 == stage.convolutions) return (9 * kCropBlock + 3) * 4 * inputs;
        if (layer.winograd == 0) return 0;
        const auto m = static_cast<std::size_t>(layer.winograd);
        const auto tile = (m + 2) * (m + 2) * width(stage, i - 1);
        return winograd_workspace(m, inputs, width(stage, i), kCropTiles, lanes) + tile;
    }
};

}  // namespace mtcnn_fast::engine
