// P-Net on one tile of one pyramid level: resampling, three convolutions and both heads, streamed four rows of cells at
// a time through rings of rows that stay in the L2 cache.
//
//   scaled rows   planar, split into even and odd columns, so that a lane is a pooled column and the 2x2 pooling of
//   conv1
//                 needs no shuffle
//   pooled rows   conv1 + PReLU + maximum of 2x2; 10 channels in 16 floats a pixel
//   conv2 rows    16 floats a pixel
//   conv3         a block of tiles at a time, straight into the heads
//
// Cell (r, c) needs pooled rows r ... r + 4 and scaled rows 2r ... 2r + 11. Whatever lies beyond the valid columns or
// rows is finite and does not depend on what was computed before: Winograd's transforms mix it into every output of a
// tile.
//
// With a filter, only some blocks of 4x4 cells are computed, and of conv2 and of the pooled rows only what those read.
// Blocks lie where they lie without it, so that they have the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpp/engine/area.h"
#include "cpp/engine/crop_layout.h"
#include "cpp/engine/pnet_conv1.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/engine/probability.h"
#include "cpp/engine/winograd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

inline constexpr int kRing = 8;            // rows of each ring, a power of two
inline constexpr int kWinogradTiles = 24;  // 4x4 tiles of cells computed together

struct PNetScratch {
    static constexpr int kPooledColumns = kTileColumns + 32;
    static constexpr std::size_t kPooledRow = std::size_t{kPooledColumns} * 16;
    static constexpr std::size_t kConv3Row = std::size_t{kPooledColumns} * 32;
    static constexpr std::size_t kWorkspace =
        std::max(winograd_workspace(4, 16, 32, kWinogradTiles, kLanes), 4 * kConv3Row);
    static constexpr std::size_t kScaled = 0;
    static constexpr std::size_t kPooled = kScaled + kRing * ScaledRow::kFloats;
    static constexpr std::size_t kConv2 = kPooled + kRing * kPooledRow;
    static constexpr std::size_t kConv3 = kConv2 + kRing * kPooledRow;
    static constexpr std::size_t kBlock = kConv3 + 4 * kConv3Row;
    static constexpr std::size_t kTransform = kBlock + 16 * 32;
    static constexpr std::size_t kFloats = kTransform + conv1_workspace() + kWorkspace;
};

// Local to each file: a kernel exports nothing but its table, and one of these functions is not inlined.
namespace {

class PNetTileRunner {
  public:
    MF_INLINE PNetTileRunner(const PNetTile& tile, const PNetWeights& weights, Algorithm algorithm, float* scratch,
                             std::uint32_t* sums, Cell* cells)
        : tile_(tile),
          weights_(weights),
          direct_(algorithm == Algorithm::kDirect),
          filter_(direct_ ? nullptr : tile.filter),
          scratch_(scratch),
          scaled_rows_(filter_ != nullptr ? filter_->rows : scratch + PNetScratch::kScaled),
          scaled_mask_((filter_ != nullptr ? kRoughRing : kRing) - 1),
          sums_(sums),
          cells_(cells),
          columns_(tile.column_end - tile.column_begin),
          blocks_((columns_ + 3) / 4),
          conv1_height_(tile.level.height - 2),
          pooled_height_((tile.level.height - 1) / 2),
          next_scaled_(2 * tile.row_begin) {}

    MF_INLINE int run() {
        clear_padding();
        for (int block = 0; block < blocks_; ++block) wanted_.add(block);
        MF_UNROLL(1)
        for (int row = tile_.row_begin; row < tile_.row_end; row += 4) {
            if (filter_ != nullptr) find_wanted(row);
            const int conv2_end = computed_conv2(row);
            MF_UNROLL(1)
            for (int y = row; y < conv2_end; y += 4) {
                conv2_rows(y);
                if (y == row) forget_after(row);
            }
            conv3_rows(row);
        }
        return count_;
    }

  private:
    // Blocks of four columns, or vectors of pooled columns.
    static constexpr int kParts = (kTileColumns + 4) / 4 + 1;
    using Flags = std::uint8_t[kParts];

    // Some of them in ascending order.
    struct Parts {
        int count = 0;
        int at[kParts];

        MF_INLINE void add(int part) { at[count++] = part; }
        // Those that are not done yet, and are then.
        MF_INLINE void add_missing(Flags& done, int begin, int end) {
            for (int part = begin; part < end; ++part) {
                if (done[part] == 0) add(part);
                done[part] = 1;
            }
        }
    };

    float* scaled(int y) const { return scaled_rows_ + (y & scaled_mask_) * ScaledRow::kFloats; }
    float* pooled(int y) const { return scratch_ + PNetScratch::kPooled + (y & (kRing - 1)) * PNetScratch::kPooledRow; }
    float* conv2(int y) const { return scratch_ + PNetScratch::kConv2 + (y & (kRing - 1)) * PNetScratch::kPooledRow; }
    float* workspace() const { return scratch_ + PNetScratch::kTransform + conv1_workspace(); }
    // What is computed of the four rows of conv2, or the two pooled rows, from y on.
    Flags& conv2_done(int y) { return conv2_done_[y / 4 & 1]; }
    Flags& pooled_done(int y) { return pooled_done_[y / 2 & 3]; }
    int conv2_columns() const { return columns_ + 2; }
    int conv2_tiles() const { return (conv2_columns() + 3) / 4; }

    // The end of the rows of conv2 that the cells of four rows need.
    int computed_conv2(int row) const { return row + 4 < pooled_height_ - 2 ? row + 8 : row + 4; }

    // Rows take the place of others, which are no longer read once the first four rows of conv2 from `row` on are
    // there.
    MF_INLINE void forget_after(int row) {
        std::memset(conv2_done(row + 4), 0, sizeof(Flags));
        std::memset(pooled_done(row + 6), 0, sizeof(Flags));
        std::memset(pooled_done(row + 8), 0, sizeof(Flags));
    }

    // Columns that a row of 4x4 tiles may read beyond those that are written for this tile's width.
    MF_INLINE void clear_padding() {
        const int written = round_up(columns_ + 4, kLanes);
        const int readable = round_up(columns_, 4) + 2;
        for (int y = 0; y < kRing; ++y) {
            std::memset(pooled(y) + written * 16, 0, 4 * 16 * sizeof(float));
            for (int x = 4 * conv2_tiles(); x < readable; ++x) std::memset(conv2(y) + x * 16, 0, 16 * sizeof(float));
        }
    }

    // The blocks of four rows of cells that have one that may pass, roughly.
    MF_INLINE void find_wanted(int row) {
        scaled_rows(2 * row + 22);
        float differences[4 * kRoughColumns];
        filter_->kernel.run(filter_->weights, {tile_, scaled_rows_}, row, filter_->scratch, differences);
        const V floor = set1(filter_->floor);
        const int rows = tile_.row_end - row < 4 ? tile_.row_end - row : 4;
        wanted_.count = 0;
        for (int x = 0; x < columns_; x += kLanes) {
            // What is no number is not below.
            unsigned below = ~0u;
            for (int i = 0; i < rows; ++i) below &= lanes_at_least(floor, load(differences + i * kRoughColumns + x));
            for (int k = 0; k < kLanes && x + k < columns_; k += 4) {
                const unsigned cells = columns_ - x - k < 4 ? (1u << (columns_ - x - k)) - 1 : 15u;
                if ((below >> k & cells) != cells) wanted_.add((x + k) / 4);
            }
        }
    }

    // Row y of the level, resampled now or before, columns from 2 * column_begin on.
    MF_INLINE void scaled_row(int y) {
        const int begin = 2 * tile_.column_begin;
        const int wanted = 2 * (tile_.column_end + 5);
        const int end = wanted < tile_.level.columns.size ? wanted : tile_.level.columns.size;
        const ScaledRow row(scaled(y), begin);
        if (tile_.planes.data != nullptr) {
            row.copy(tile_.planes.row(y), tile_.planes.plane, end);
        } else {
            const Bin rows = area_bin(y, tile_.level.window.y.size(), tile_.level.height);
            resample_row(tile_.level, rows, begin, end, sums_, row);
        }
        row.finish(end, round_up(columns_ + 4, kLanes) + kLanes);
    }

    // The rows up to y, and no further than the level's last. Not inline, as it is called twice.
    __attribute__((noinline)) void scaled_rows(int y) {
        const double started = tile_.clock ? tile_.clock() : 0.0;
        while (next_scaled_ < tile_.level.height && next_scaled_ < y) scaled_row(next_scaled_++);
        if (tile_.clock) *tile_.resample_seconds += tile_.clock() - started;
    }

    // The vectors [begin, end) of two pooled rows, from four rows of conv1.
    MF_INLINE void pooled_vectors(int y, int begin, int end) {
        scaled_rows(2 * y + 6);
        const int last = tile_.level.height - 1;
        const float* rows[6];
        for (int i = 0; i < 6; ++i) rows[i] = scaled(2 * y + i < last ? 2 * y + i : last);
        const int valid_rows = conv1_height_ - 2 * y;  // of the four rows of conv1
        // An odd number of conv1's columns leaves the last pooled column with one column instead of two.
        const int conv1_columns = tile_.level.columns.size - 2;
        const int whole = conv1_columns / 2 - tile_.column_begin;
        const Conv1 conv1{rows, weights_, pooled(y), pooled(y + 1), scratch_ + PNetScratch::kTransform};
        if (!direct_) {
            conv1.winograd(begin * kLanes, end * kLanes, whole, valid_rows);
        } else {
            conv1.direct(begin * kLanes, end * kLanes, whole, valid_rows);
        }
    }

    // Of four rows of conv2 the blocks that the wanted cells need and that are missing; rows beyond the last repeat it.
    MF_INLINE void conv2_rows(int y) {
        const int tiles = conv2_tiles(), vectors = (columns_ + 4 + kLanes - 1) / kLanes;
        // Without a filter all blocks of a row are done together.
        if (filter_ == nullptr && conv2_done(y)[0] != 0) return;
        Parts blocks;
        for (int i = 0; i < wanted_.count; ++i) {
            const int block = wanted_.at[i];
            blocks.add_missing(conv2_done(y), block, block + 2 < tiles ? block + 2 : tiles);
        }
        const int rows_end = y + 6 < pooled_height_ ? y + 6 : pooled_height_;
        MF_UNROLL(1)
        for (int p = y; p < rows_end; p += 2) {
            if (filter_ == nullptr && pooled_done(p)[0] != 0) continue;
            Parts missing;
            for (int i = 0; i < blocks.count; ++i) {
                const int first = 4 * blocks.at[i] / kLanes, end = (4 * blocks.at[i] + 5) / kLanes + 1;
                missing.add_missing(pooled_done(p), first, end < vectors ? end : vectors);
            }
            int next = 0;
            for (int i = 0; i < missing.count; i = next) {
                next = i + 1;
                while (next < missing.count && missing.at[next] == missing.at[next - 1] + 1) ++next;
                pooled_vectors(p, missing.at[i], missing.at[next - 1] + 1);
            }
        }
        if (blocks.count > 0) conv2_blocks(y, blocks);
    }

    MF_INLINE void conv2_blocks(int y, const Parts& blocks) {
        const float* rows[6];
        for (int i = 0; i < 6; ++i) rows[i] = pooled(y + i < pooled_height_ ? y + i : pooled_height_ - 1);
        const Layer& layer = weights_.conv2;
        if (!direct_) {
            for_batches(blocks, [&](const int* at, int count) __attribute__((always_inline)) {
                winograd_block<4, 10, 16, kWinogradTiles>(
                    count, layer.winograd, workspace(),
                    [&](int t, int i, int j) __attribute__((always_inline)) { return rows[i] + (at[t] * 4 + j) * 16; },
                    [&](int t, int c, const V(&out)[4][4]) __attribute__((always_inline)) {
                        const V bias = load(layer.bias + c), slope = load(layer.slope + c);
                        MF_UNROLL(4)
                        for (int i = 0; i < 4; ++i) {
                            float* const row = conv2(y + i) + at[t] * 4 * 16 + c;
                            MF_UNROLL(4)
                            for (int j = 0; j < 4; ++j) store(row + j * 16, prelu(out[i][j] + bias, slope));
                        }
                    });
            });
        } else {
            for (int i = 0; i < 4; ++i) {
                // The rows of an incomplete last group repeat the last valid one, as their inputs do.
                direct_row<10, 16>(rows + (i < pooled_height_ - 2 - y ? i : pooled_height_ - 3 - y), conv2_columns(),
                                   layer, conv2(y + i));
            }
        }
    }

    MF_INLINE void conv3_rows(int y) {
        const int computed = computed_conv2(y);
        const float* rows[6];
        for (int i = 0; i < 6; ++i) rows[i] = conv2(y + i < computed ? y + i : computed - 1);
        const Layer& layer = weights_.conv3;
        const int valid_rows = tile_.row_end - y < 4 ? tile_.row_end - y : 4;
        if (!direct_) {
            for_batches(wanted_, [&](const int* at, int count) __attribute__((always_inline)) {
                float* const block = scratch_ + PNetScratch::kBlock;
                winograd_block<4, 16, 32, kWinogradTiles>(
                    count, layer.winograd, workspace(),
                    [&](int t, int i, int j) __attribute__((always_inline)) { return rows[i] + (at[t] * 4 + j) * 16; },
                    [&](int t, int c, const V(&out)[4][4]) __attribute__((always_inline)) {
                        const V bias = load(layer.bias + c), slope = load(layer.slope + c);
                        MF_UNROLL(4)
                        for (int i = 0; i < 4; ++i) MF_UNROLL(4)
                        for (int j = 0; j < 4; ++j) store(block + (i * 4 + j) * 32 + c, prelu(out[i][j] + bias, slope));
                        if (c + kLanes == 32) {
                            const int x = at[t] * 4;
                            const int valid = columns_ - x < 4 ? columns_ - x : 4;
                            heads(block, 16, [&](int p) __attribute__((always_inline)) {
                                if (p / 4 < valid_rows && p % 4 < valid) emit(y + p / 4, x + p % 4, block + p * 32);
                            });
                        }
                    });
            });
            return;
        }
        for (int i = 0; i < valid_rows; ++i) {
            float* const out = scratch_ + PNetScratch::kConv3;
            direct_row<16, 32>(rows + i, columns_, layer, out);
            heads(out, columns_, [&](int x) __attribute__((always_inline)) {
                if (x < columns_) emit(y + i, x, out + x * 32);
            });
        }
    }

    // One output row of a 3x3 convolution on pixels of 16 floats, of which CI are used.
    template <int CI, int CO>
    MF_INLINE static void direct_row(const float* const* rows, int columns, const Layer& layer, float* out) {
        for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
            for_tiles(columns, [&]<int P>(int x) __attribute__((always_inline)) {
                V acc[P][NV];
                MF_UNROLL(12)
                for (int p = 0; p < P; ++p)
                    for (int v = 0; v < NV; ++v) acc[p][v] = load(layer.bias + c + v * kLanes);
                MF_UNROLL(1)
                for (int k = 0; k < 9; ++k) {
                    multiply<P, NV>(rows[k / 3] + (x + k % 3) * 16, 16, CI, layer.direct + k * CI * CO + c, CO, acc);
                }
                MF_UNROLL(12)
                for (int p = 0; p < P; ++p)
                    for (int v = 0; v < NV; ++v)
                        store(out + (x + p) * CO + c + v * kLanes,
                              prelu(acc[p][v], load(layer.slope + c + v * kLanes)));
            });
        });
    }

    // Calls pass(p) for each of `pixels` (rounded up to whole vectors) pixels of 32 channels whose logit difference
    // reaches the floor.
    template <class Pass>
    MF_INLINE void heads(const float* pixels, int count, Pass pass) {
        constexpr int nv = 32 / kLanes;
        V weight[nv];
        MF_UNROLL(8)
        for (int v = 0; v < nv; ++v) weight[v] = load(weights_.logit_difference + v * kLanes);
        const V floor = set1(tile_.logit_floor - weights_.logit_difference_bias);
        for (int first = 0; first < count; first += kLanes) {
            V sums[kLanes];
            MF_UNROLL(16)
            for (int p = 0; p < kLanes; ++p) {
                const float* const pixel = pixels + (first + p) * 32;
                V sum = load(pixel) * weight[0];
                MF_UNROLL(8)
                for (int v = 1; v < nv; ++v) sum = fma(load(pixel + v * kLanes), weight[v], sum);
                sums[p] = sum;
            }
            unsigned passed = lanes_at_least(lane_sums(sums), floor);
            while (passed != 0) {
                pass(first + __builtin_ctz(passed));
                passed &= passed - 1;
            }
        }
    }

    // The exact heads of one cell: both logits in a fixed order, the float32 softmax, and the offsets if it passes.
    void emit(int row, int column, const float* pixel) {
        F32x4 low = load4(weights_.head_bias), high = load4(weights_.head_bias + 4);
        for (int i = 0; i < 32; ++i) {
            const F32x4 x = set4(pixel[i]);
            low = low + x * load4(weights_.head + i * 8);
            high = high + x * load4(weights_.head + i * 8 + 4);
        }
        float out[8];
        store4(out, low);
        store4(out + 4, high);
        const float score = face_probability(out[0], out[1]);
        if (score >= tile_.threshold) {
            cells_[count_++] = {row, tile_.column_begin + column, score, {out[2], out[3], out[4], out[5]}};
        }
    }

    // Calls body(blocks, count) for equal parts of at most kWinogradTiles.
    template <class Body>
    MF_INLINE static void for_batches(const Parts& blocks, Body body) {
        const int batches = (blocks.count + kWinogradTiles - 1) / kWinogradTiles;
        const int size = batches > 0 ? (blocks.count + batches - 1) / batches : 1;
        for (int first = 0; first < blocks.count; first += size) {
            body(blocks.at + first, blocks.count - first < size ? blocks.count - first : size);
        }
    }

    const PNetTile& tile_;
    const PNetWeights& weights_;
    const bool direct_;
    const PNetFilter* const filter_;
    float* const scratch_;
    float* const scaled_rows_;
    const int scaled_mask_;
    std::uint32_t* const sums_;
    Cell* const cells_;
    const int columns_;
    const int blocks_;
    const int conv1_height_;
    const int pooled_height_;
    int next_scaled_;
    int count_ = 0;
    Parts wanted_;
    Flags conv2_done_[2] = {};
    Flags pooled_done_[4] = {};
};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
