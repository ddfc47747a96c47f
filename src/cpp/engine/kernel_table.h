// The interface of an instruction set's kernels: plain structs and function pointers, the same for all sets. Each
// kernels_<isa>.cpp defines one such table and exports nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/crop_window.h"
#include "cpp/engine/byte_network.h"
#include "cpp/engine/layers.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

// The bins of the columns of a window, made by AreaColumns. Each bin has `count` pixels, or one more. Arrays are padded
// to a multiple of 8 columns, the last of which is repeated, and by one element.
struct ColumnBins {
    const std::int32_t* begin;    // [size] three times the bin's first column, counted from the window's
    const std::uint64_t* more;    // [size] all ones for a bin of one pixel more, else 0
    const std::uint8_t* more_of;  // [size / 8] the same as bits, for eight columns at once
    std::int32_t count;
    std::int32_t size;
    // The output columns [whole_begin, whole_end) have bins inside the image; what lies outside counts as 0.
    std::int32_t whole_begin;
    std::int32_t whole_end;
};

// A window of an image, with a pixel inside it, to be resampled to `height` rows of `columns.size` pixels.
struct Resampling {
    ImageView image;
    CropWindow window;
    ColumnBins columns;
    std::int32_t height;
};

// A level that is resampled before its tiles run: for each row six planes, the even and the odd columns of each
// channel. Kernels write whole blocks of eight columns.
struct LevelPlanes {
    float* data;  // null where tiles resample
    std::ptrdiff_t plane;

    float* row(std::int64_t y) const { return data + 6 * plane * y; }
};

// Bytes that 16 bits sum exactly.
inline constexpr std::int64_t kMax16 = 65535 / 255;

// Rows [row_begin, row_end) of a level of the whole image. Its bins have 2 to kMax16 rows.
struct CoarseLevel {
    Resampling level;
    LevelPlanes planes;
    std::int64_t row_begin;
    std::int64_t row_end;
};

// Levels that resample_levels takes at once, and the elements of memory that it needs for them.
inline constexpr int kCoarseTogether = 12;
inline std::ptrdiff_t sums_pitch(std::int64_t width) {
    return static_cast<std::ptrdiff_t>((3 * width + 16 + 63) / 64 * 64);
}
inline std::size_t coarse_memory(std::int64_t width) {
    return static_cast<std::size_t>(2 + 2 * kCoarseTogether) * static_cast<std::size_t>(sums_pitch(width));
}

// A cell of P-Net's output that passed the threshold.
struct Cell {
    std::int32_t row;
    std::int32_t column;
    float score;
    Box offset;
};

// How 3x3 convolutions are computed.
enum class Algorithm : std::uint8_t {
    kFast,    // each as its layer is described: most by Winograd's method
    kDirect,  // all as they are defined: the reference that tests compare with
};

struct PNetFilter;

// Cells [row_begin, row_end) x [column_begin, column_end) of one pyramid level; the begins are multiples of 4, and the
// tile is no larger than kTileRows x kTileColumns.
struct PNetTile {
    Resampling level;
    LevelPlanes planes;
    std::int32_t row_begin;
    std::int32_t row_end;
    std::int32_t column_begin;
    std::int32_t column_end;
    float threshold;
    float logit_floor;         // cells whose logit difference is below this cannot reach the threshold
    double (*clock)();         // seconds, or null where nothing is timed
    double* resample_seconds;  // takes the part of the time that resampling took
    const PNetFilter* filter = nullptr;
};

inline constexpr int kTileRows = 96;
inline constexpr int kTileColumns = 256;

// A tile's part of a row of a level, ScaledRow: six planes.
inline constexpr int kScaledPlane = kTileColumns + 48;
inline constexpr std::size_t kScaledFloats = 6 * std::size_t{kScaledPlane};

// A crop network. `run` takes `count` <= kCropBlock crops, each size * size * 3 floats, one after the other, of which
// it may read 16 floats too many, and writes kCropOutputs floats a crop. `scratch` floats of memory are 64-byte aligned
// and finite (zeroed once).
using RunCropNet = void(const CropNetWeights&, Algorithm, const float* crops, int count, float* scratch, float* out);
struct CropKernel {
    std::size_t scratch;
    RunCropNet* run;
};

struct KernelTable {
    // Floats of scratch memory that P-Net needs, as for a crop network.
    std::size_t pnet_scratch;
    // Runs P-Net on a tile; writes the passing cells in any order and returns their number. `sums` holds
    // row_of_sums(image width) elements.
    int (*pnet_tile)(const PNetTile&, const PNetWeights&, Algorithm, float* scratch, std::uint32_t* sums, Cell* cells);
    // Resample and normalise: all rows to pixels of 3 floats, a multiple of 8 a row, and one float behind the last,
    // which is overwritten; or rows [row_begin, row_end) to planes, whose first row is output row 0. `sums` holds
    // row_of_sums(pixels of the window's width inside the image) elements.
    void (*resample_to_pixels)(const Resampling&, std::uint32_t* sums, float* out);
    void (*resample_to_planes)(const Resampling&, std::int64_t row_begin, std::int64_t row_end, std::uint32_t* sums,
                               const PlanesView& out);
    // Resamples and normalises rows of levels of the same image. `memory` holds coarse_memory(image width) elements.
    void (*resample_levels)(const CoarseLevel* levels, int count, std::uint16_t* memory);
    CropKernel rnet;  // kRNetStage
    CropKernel onet;  // kONetStage
    // Either network with the widths of the weights, whose layout says how much memory it needs.
    RunCropNet* crop_net_any;
    ByteKernel rnet_bytes;
};

// What runs R-Net or O-Net with these weights.
CropKernel crop_kernel(const KernelTable& kernels, const CropNetWeights& weights);

}  // namespace mtcnn_fast::engine
