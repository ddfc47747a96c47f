// A rough P-Net before P-Net: where it scores all cells of a block of 4x4 surely below the threshold, the block is not
// computed; P-Net's own kernel computes the others, with the bits that they have without the filter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpp/engine/kernel_table.h"

namespace mtcnn_fast::engine {

struct PNetBfloatWeights;

// Rows of a level that are kept while a filter and P-Net read them, a power of two.
inline constexpr int kRoughRing = 32;
// Differences of a row of cells, those that pad it included.
inline constexpr int kRoughColumns = kTileColumns + 32;

// A tile's part of the level: row y is the ScaledRow at number y % kRoughRing of `scaled`.
struct RoughTile {
    const PNetTile& tile;
    const float* scaled;
};

// `run` scores four rows of cells from `row` on: differences of the two logits, kRoughColumns a row, of which the
// tile's are meant. Rows of a tile come in order; for each, the level's rows up to 2 * row + 17, or its last, are
// there. `scratch` bytes of memory are aligned to 64 and zeroed once.
struct PNetBfloatKernel {
    std::size_t scratch;
    void (*run)(const PNetBfloatWeights&, const RoughTile&, int row, std::uint8_t* scratch, float* differences);
};

// The filter of a cascade; none by default.
struct RoughPNet {
    const PNetBfloatKernel* kernel = nullptr;
    const PNetBfloatWeights* weights = nullptr;
    // How far the difference of the logits may exceed the filter's.
    float margin = 0.0f;
};

// What a tile needs of it.
struct PNetFilter {
    const PNetBfloatKernel& kernel;
    const PNetBfloatWeights& weights;
    float floor;            // a cell below may be skipped
    float* rows;            // kRoughRing of ScaledRow
    std::uint8_t* scratch;  // for the kernel
};

}  // namespace mtcnn_fast::engine
