// The kernel of P-Net in bfloat16 by products of tiles, four rows of cells at a time. Rows of all layers are rings, as
// in pnet_tile.h:
//
//   pairs    of rows of the level, interleaved (pnet_bfloat_network.h), so that a pooled pixel's inputs are neighbours
//   pooled   conv1, PReLU and the maximum of 2x2; 10 numbers a pixel, so that a row of the kernel is one tile
//   conv2    16 numbers a pixel
//
// Sums of 32 pixels at a time are stored and activated while they are in the L1 cache. What lies beyond a tile's
// columns is finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpp/engine/bfloat_net.h"
#include "cpp/engine/pnet_bfloat_network.h"
#include "cpp/engine/pnet_conv1.h"
#include "cpp/engine/pnet_filter.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

class PNetBfloatRows {
    static constexpr int kRows = 8;  // of each ring
    static constexpr int kTogether = 2 * kTileSide;
    // Numbers of a row, with what the tiles of the last pixel read and a vector writes too much.
    static constexpr int kPairs = kRoughColumns * kPairNumbers + 64;
    static constexpr int kPooled = kRoughColumns * kPNetChannels[1] + 64;
    static constexpr int kConv2 = kRoughColumns * kPNetChannels[2] + 64;
    static_assert(kPairs % 32 == 0 && kPooled % 32 == 0 && kConv2 % 32 == 0);
    static constexpr std::size_t kPooledAt = std::size_t{2} * kRows * kPairs;
    static constexpr std::size_t kConv2At = kPooledAt + std::size_t{2} * kRows * kPooled;
    static constexpr std::size_t kSumsAt = kConv2At + std::size_t{2} * kRows * kConv2;

  public:
    static constexpr std::size_t kScratch = kSumsAt + std::size_t{4} * kTogether * kPNetBfloat[0].lanes();

    MF_INLINE PNetBfloatRows(const PNetBfloatWeights& net, const RoughTile& rough, std::uint8_t* scratch)
        : net_(net), rough_(rough), scratch_(scratch), columns_(rough.tile.column_end - rough.tile.column_begin) {}

    MF_INLINE void run(int row, float* differences) const {
        const bool first = row == rough_.tile.row_begin;
        const int end = row + 4 < rough_.tile.row_end ? row + 4 : rough_.tile.row_end;
        Tiles tiles;
        MF_UNROLL(1)
        for (int y = first ? row - 1 : row + 4; y < end + 4; ++y) {
            pair_row(y + 1);
            if (y >= row) pooled_row(tiles, y);
        }
        MF_UNROLL(1)
        for (int y = first ? row : row + 2; y < end + 2; ++y) conv2_row(tiles, y);
        MF_UNROLL(1)
        for (int y = row; y < end; ++y) cells(tiles, y, differences + (y - row) * kRoughColumns);
        tiles.release();
    }

  private:
    template <int NUMBERS>
    MF_INLINE std::uint16_t* ring(std::size_t at, int y) const {
        return reinterpret_cast<std::uint16_t*>(scratch_ + at) + (y & (kRows - 1)) * NUMBERS;
    }
    MF_INLINE std::uint16_t* pairs(int y) const { return ring<kPairs>(0, y); }
    MF_INLINE std::uint16_t* pooled(int y) const { return ring<kPooled>(kPooledAt, y); }
    MF_INLINE std::uint16_t* conv2(int y) const { return ring<kConv2>(kConv2At, y); }
    MF_INLINE float* sums() const { return reinterpret_cast<float*>(scratch_ + kSumsAt); }
    // Row y of the level; its last one for those beyond.
    MF_INLINE const float* scaled(int y) const {
        const int last = rough_.tile.level.height - 1;
        return rough_.scaled + ((y < last ? y : last) & (kRoughRing - 1)) * ScaledRow::kFloats;
    }

    // kLanes pairs of numbers, rounded as store_bfloat does, the first of each pair in the low half.
    MF_INLINE static void store_pairs(float* out, V first, V second) {
        typedef std::uint32_t U32 __attribute__((vector_size(sizeof(V))));
        const U32 a = (U32)first, b = (U32)second;
        const U32 low = (a + 0x7fff + (a >> 16 & 1)) >> 16, high = (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000;
        store(out, (V)(low | high));
    }

    // Rows 2 y and 2 y + 1 of the level, interleaved.
    MF_INLINE void pair_row(int y) const {
        constexpr int kWords = kPairNumbers / 2;
        const float* const rows[2] = {scaled(2 * y), scaled(2 * y + 1)};
        auto* const out = reinterpret_cast<float*>(pairs(y));
        MF_UNROLL(1)
        for (int x = 0; x < columns_ + 5; x += kLanes) {
            float words[kWords][kLanes];
            MF_UNROLL(6)
            for (int i = 0; i < kWords; ++i) {
                const float* const row = rows[i / 3];
                store_pairs(words[i], load(ScaledRow::plane(row, i % 3, 0) + x),
                            load(ScaledRow::plane(row, i % 3, 1) + x));
            }
            MF_UNROLL(4)
            for (int k = 0; k < kLanes; k += 4) {
                F32x4 low[4], high[4];
                MF_UNROLL(4)
                for (int i = 0; i < 4; ++i) {
                    low[i] = load4(words[i] + k);
                    high[i] = load4(words[4 + i % 2] + k);
                }
                transpose4(low[0], low[1], low[2], low[3]);
                transpose4(high[0], high[1], high[2], high[3]);
                float* const to = out + (x + k) * kWords;
                MF_UNROLL(4)
                for (int i = 0; i < 4; ++i) {
                    store4(to + i * kWords, low[i]);
                    store4(to + i * kWords + 4, high[i]);  // two words, and two that the next column overwrites
                }
            }
        }
    }

    MF_INLINE void pooled_row(Tiles& tiles, int y) const {
        const PNetTile& tile = rough_.tile;
        // Of four pixels of conv1 those that exist: the second column and the second row may not.
        const int whole = (tile.level.columns.size - 2) / 2 - tile.column_begin;
        const int below = tile.level.height - 2 - 2 * y > 1 ? 2 * kTileSide : 0;
        const float* const slopes = net_.layer[0].slope;
        layer<0>(tiles, {pairs(y), pairs(y + 1)}, columns_ + 4, [&](int first) __attribute__((always_inline)) {
            MF_UNROLL(1)
            for (int x = first; x < first + kTogether; ++x) {
                const int right = x < whole ? kTileSide : 0;
                const float* const sum = sums() + (x - first) * kPNetBfloat[0].lanes();
                MF_UNROLL(4)
                for (int c = 0; c < kTileSide; c += kLanes) {
                    const V slope = load(slopes + c);
                    const auto at = [&](int offset)
                                        __attribute__((always_inline)) { return prelu(load(sum + offset + c), slope); };
                    const V best = max(max(at(0), at(right)), max(at(below), at(below + right)));
                    store_bfloat(pooled(y) + x * kPNetChannels[1] + c, best);
                }
            }
        });
    }

    MF_INLINE void conv2_row(Tiles& tiles, int y) const {
        const float* const slopes = net_.layer[1].slope;
        layer<1>(tiles, {pooled(y), pooled(y + 1), pooled(y + 2)}, columns_ + 2,
                 [&](int first) __attribute__((always_inline)) {
                     std::uint16_t* const out = conv2(y) + first * kTileSide;
                     MF_UNROLL(1)
                     for (int k = 0; k < kTogether * kTileSide; k += kLanes) {
                         store_bfloat(out + k, prelu(load(sums() + k), load(slopes + k % kTileSide)));
                     }
                 });
    }

    MF_INLINE void cells(Tiles& tiles, int y, float* differences) const {
        layer<2>(tiles, {conv2(y), conv2(y + 1), conv2(y + 2)}, columns_,
                 [&](int first) __attribute__((always_inline)) {
                     MF_UNROLL(1)
                     for (int i = 0; i < kTogether; i += kLanes) {
                         take_differences(sums() + i * kPNetBfloat[2].lanes(), differences + first + i);
                     }
                 });
    }

    // Of kLanes cells. Sixteen products are added by halves, so that every width of vectors has the same bits.
    MF_INLINE void take_differences(const float* sum, float* out) const {
        const float *const slope = net_.layer[2].slope, *const weight = net_.difference;
        const auto product = [&](int i, int c) __attribute__((always_inline)) {
            return prelu(load(sum + i * kPNetBfloat[2].lanes() + c), load(slope + c)) * load(weight + c);
        };
        if constexpr (kLanes == kTileSide) {
            V parts[kLanes];
            MF_UNROLL(16)
            for (int i = 0; i < kLanes; ++i) parts[i] = product(i, 0) + product(i, kTileSide);
            store(out, lane_sums(parts) + set1(net_.difference_bias));
        } else {
            for (int i = 0; i < kLanes; ++i) {
                float parts[kTileSide];
                for (int c = 0; c < kTileSide; c += kLanes) store(parts + c, product(i, c) + product(i, c + kTileSide));
                for (int half = kTileSide / 2; half > 0; half /= 2)
                    for (int j = 0; j < half; ++j) parts[j] += parts[j + half];
                out[i] = parts[0] + net_.difference_bias;
            }
        }
    }

    // Calls take(x) once the sums of the pixels [x, x + kTogether) of a row of layer I are there, for `count` pixels.
    template <std::size_t I, class Take>
    MF_INLINE void layer(Tiles& tiles, const std::uint16_t* const (&rows)[kPNetBfloat[I].segments], int count,
                         Take take) const {
        constexpr int kLanesOf = kPNetBfloat[I].lanes();
        constexpr int kStep = I == 0 ? kPairNumbers : kPNetChannels[I];
        MF_UNROLL(1)
        for (int x = 0; x < count; x += kTogether) {
            for_lanes<kLanesOf, kTileSide>([&]<int N>(int channel) __attribute__((always_inline)) {
                tile_products<2, N>(
                    tiles, kPNetBfloat[I], net_.layer[I], channel, kStep,
                    [&](int s) __attribute__((always_inline)) { return rows[s] + x * kStep; }, sums() + channel);
            });
            take(x);
        }
    }

    const PNetBfloatWeights& net_;
    const RoughTile& rough_;
    std::uint8_t* const scratch_;
    const int columns_;
};

namespace {

void pnet_bfloat(const PNetBfloatWeights& net, const RoughTile& rough, int row, std::uint8_t* scratch,
                 float* differences) {
    PNetBfloatRows(net, rough, scratch).run(row, differences);
}

constexpr PNetBfloatKernel kPNetBfloatKernel{PNetBfloatRows::kScratch, pnet_bfloat};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
