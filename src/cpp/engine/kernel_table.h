// What the kernels of one instruction set offer to the cascade: plain structs and function pointers, the same for all
// of them. Each kernels_<isa>.cpp defines one such table and exports nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/crop_window.h"
#include "cpp/engine/layers.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

// The bins of the columns of a pyramid level, computed once and shared by its tiles. Each bin has `count` pixels, or
// one more. Arrays are padded to a multiple of 8 columns, the last of which is repeated, and by one element.
struct ColumnBins {
    const std::int32_t* begin;    // [size] three times the bin's first input column
    const std::uint64_t* more;    // [size] all ones for a bin of one pixel more, else 0
    const std::uint8_t* more_of;  // [size / 8] the same as bits, for eight columns at once
    std::int32_t count;
    std::int32_t size;
};

// A cell of P-Net's output that passed the threshold.
struct Cell {
    std::int32_t row;
    std::int32_t column;
    float score;
    Box offset;
};

// How a 3x3 convolution is computed.
enum class Algorithm : std::uint8_t { kDirect, kWinograd };

struct Algorithms {
    Algorithm pnet_conv1;
    Algorithm pnet_conv2;
    Algorithm pnet_conv3;
    Algorithm rnet_conv2;
    Algorithm onet_conv2;
    Algorithm onet_conv3;
};

// Cells [row_begin, row_end) x [column_begin, column_end) of one pyramid level; the begins are multiples of 4, and the
// tile is no larger than kTileRows x kTileColumns.
struct PNetTile {
    ImageView image;
    ColumnBins columns;
    std::int32_t scaled_height;
    std::int32_t row_begin;
    std::int32_t row_end;
    std::int32_t column_begin;
    std::int32_t column_end;
    float threshold;
    float logit_floor;         // cells whose logit difference is below this cannot reach the threshold
    double (*clock)();         // seconds, or null where nothing is timed
    double* resample_seconds;  // takes the part of the time that resampling took
};

inline constexpr int kTileRows = 96;
inline constexpr int kTileColumns = 256;

// Crops that a call of a crop network takes at once.
inline constexpr int kCropBlock = 8;

// Floats that they write a crop: two logits, four box offsets and, for O-Net, ten landmark coordinates.
inline constexpr std::size_t kCropOutputs = 16;

struct KernelTable {
    const char* name;
    // Floats of scratch memory that each function needs, 64-byte aligned and finite (zeroed once).
    std::size_t pnet_scratch;
    std::size_t rnet_scratch;
    std::size_t onet_scratch;
    // Runs P-Net on a tile; writes the passing cells in any order and returns their number. `vertical` holds one row of
    // sums: 3 * (image width + 16) elements of 32 bits.
    int (*pnet_tile)(const PNetTile&, const PNetWeights&, const Algorithms&, float* scratch, std::uint32_t* vertical,
                     Cell* cells);
    // Resamples a window to `size` x `size` pixels of 3 floats, normalised; size is 24 or 48. `out` has room for one
    // float more.
    void (*crop)(const ImageView&, const CropWindow&, int size, std::uint32_t* vertical, float* out);
    // Run R-Net or O-Net on `count` <= kCropBlock crops, each `size * size * 3` floats after the other; `out` takes
    // kCropOutputs floats a crop.
    void (*rnet)(const CropNetWeights&, const Algorithms&, const float* crops, int count, float* scratch, float* out);
    void (*onet)(const CropNetWeights&, const Algorithms&, const float* crops, int count, float* scratch, float* out);
};

}  // namespace mtcnn_fast::engine
