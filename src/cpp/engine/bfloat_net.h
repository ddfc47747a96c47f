// The kernel of R-Net in bfloat16 by products of tiles. MF_TILES names the file with the tiles: those of the processor,
// or what tests have in their place. It defines, in the namespace of MF_ISA,
//
//   Tiles                eight tiles of this thread, numbered from 0; at most one object at a time
//   release()            ends their use: until then the system saves eight kilobytes at each change of threads
//   load<n>(p, pitch)    tile n from 16 rows of 64 bytes, `pitch` bytes apart; the same row for 0
//   store<n>(p, pitch)   and back
//   multiply_add<n, a, b>()      tile n += tile a * tile b as TDPBF16PS does. `a` has 16 rows of 32 bfloat16 numbers,
//                        `b` 16 rows of 16 pairs: what row i of the sums gets of numbers 2 k and 2 k + 1 of row i of
//                        `a` are the pairs of row k of `b`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/rough_net.h"
#include "cpp/engine/simd.h"
#ifndef MF_TILES
#error "Define MF_TILES first"
#endif
#include MF_TILES

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// kLanes finite numbers, rounded to nearest, ties to even.
MF_INLINE void store_bfloat(std::uint16_t* p, V v) {
    typedef std::uint32_t U32 __attribute__((vector_size(sizeof(V))));
    typedef std::uint16_t Half __attribute__((vector_size(sizeof(V) / 2)));
    const U32 bits = (U32)v;
    const Half half = __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, Half);
    std::memcpy(p, &half, sizeof half);
}

// Tiles that hold `rows` rows of a map.
constexpr int tiles_of(int rows, int side) { return (rows * side + kTileSide - 1) / kTileSide; }

// Bytes that a layer reads of its map for an even number of tiles, of pixels `step` and rows `pitch` numbers apart.
constexpr std::size_t bytes_read(const BfloatShape& shape, int tiles, int step, int pitch) {
    const int last = (tiles * kTileSide - 1) * step + (shape.segments - 1) * pitch;
    return 2 * static_cast<std::size_t>(last + shape.steps() * kTileDepth);
}

// Where the kernel keeps its maps, in bytes. Maps of sums are as wide as those that they are computed from, so that a
// tile's rows are neighbours; pixels that lie in no output are not read.
struct BfloatLayout {
    static constexpr int kSize = kRNetStage.size;
    static constexpr int kPooled1 = kRNetStage.side(1), kPooled2 = kRNetStage.side(2);
    static constexpr int kChannels1 = kRNetBfloat[0].lanes(), kChannels2 = kRNetBfloat[1].lanes();
    static constexpr int kChannels3 = kRNetBfloat[2].lanes();
    static constexpr int kMap2 = kPooled2 * kPooled2 * kChannels2, kMap3 = 9 * kChannels3;
    static constexpr int kTiles1 = tiles_of(kSize - 2, kSize), kTiles2 = tiles_of(kPooled1 - 2, kPooled1);
    static_assert(kPooled2 * kPooled2 == kTileSide);  // one for each crop
    static_assert(kCropBlock <= kTileSide);           // one for all crops

    static constexpr std::size_t kPixels = 0;
    static constexpr std::size_t kMaxima1 = after(kPixels, 2 * 3 * kSize * kSize);
    static constexpr std::size_t kMaxima2 = after(kMaxima1, 2 * kPooled1 * kPooled1 * kChannels1);
    static constexpr std::size_t kConvolved3 = after(kMaxima2, 2 * kCropBlock * kMap2);
    static constexpr std::size_t kSums = after(kConvolved3, 2 * kTileSide * kMap3);
    static constexpr std::size_t kBytes = after(kSums, 4 * (kTiles1 + 1) * kTileSide * kChannels1);

    // What a tile reads too much is padding: always zero, and so no infinity, which times 0 is no number.
    static_assert(kPixels + bytes_read(kRNetBfloat[0], kTiles1 + 1, 3, 3 * kSize) <= kMaxima1);
    static_assert(kMaxima1 + bytes_read(kRNetBfloat[1], kTiles2 + 1, kChannels1, kPooled1* kChannels1) <= kMaxima2);
    static_assert(kMaxima2 + bytes_read(kRNetBfloat[2], kCropBlock, kChannels2, kPooled2* kChannels2) <= kConvolved3);
    static_assert(kConvolved3 + bytes_read(kRNetBfloat[3], 1, kMap3, 0) <= kSums);
    // The sums of the first layer are the most.
    static_assert(kCropBlock * kTileSide * kChannels3 <= kTiles1 * kTileSide * kChannels1);
};

class BfloatNet {
  public:
    MF_INLINE BfloatNet(const BfloatNetworkWeights& net, std::uint8_t* scratch) : net_(net), scratch_(scratch) {}

    MF_INLINE void run(const float* crops, int count, float* differences) const {
        using L = BfloatLayout;
        Tiles tiles;
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            take_pixels(crops + i * 3 * L::kSize * L::kSize);
            multiply<0, 2, 3, 3 * L::kSize>(tiles, map(L::kPixels), L::kTiles1);
            activate<0, L::kSize - 2, L::kSize, 3>(sums(), map(L::kMaxima1));
            multiply<1, 2, L::kChannels1, L::kPooled1 * L::kChannels1>(tiles, map(L::kMaxima1), L::kTiles2);
            activate<1, L::kPooled1 - 2, L::kPooled1, 3>(sums(), map(L::kMaxima2) + i * L::kMap2);
        }
        multiply<2, 2, L::kChannels2, L::kPooled2 * L::kChannels2>(tiles, map(L::kMaxima2), count);
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            activate<2, 3, L::kPooled2, 1>(sums() + i * kTileSide * L::kChannels3, map(L::kConvolved3) + i * L::kMap3);
        }
        multiply<3, 1, L::kMap3, 0>(tiles, map(L::kConvolved3), 1);
        tiles.release();
        for (int i = 0; i < count; ++i) differences[i] = difference(sums() + i * kRNetStage.hidden);
    }

  private:
    MF_INLINE std::uint16_t* map(std::size_t at) const { return reinterpret_cast<std::uint16_t*>(scratch_ + at); }
    MF_INLINE float* sums() const { return reinterpret_cast<float*>(scratch_ + BfloatLayout::kSums); }

    MF_INLINE void take_pixels(const float* crop) const {
        MF_UNROLL(1)
        for (int k = 0; k < 3 * BfloatLayout::kSize * BfloatLayout::kSize; k += kLanes) {
            store_bfloat(map(BfloatLayout::kPixels) + k, load(crop + k));
        }
    }

    // The sums of a layer for `count` tiles of pixels, rounded up to a multiple of TOGETHER; STEP and PITCH numbers lie
    // between the inputs of two pixels and between two rows.
    template <std::size_t kLayer, int TOGETHER, int STEP, int PITCH>
    MF_INLINE void multiply(Tiles& tiles, const std::uint16_t* in, int count) const {
        constexpr int kLanesOf = kRNetBfloat[kLayer].lanes();
        for_lanes<kLanesOf, kTileSide>([&]<int N>(int channel) __attribute__((always_inline)) {
            MF_UNROLL(1)
            for (int t = 0; t < count; t += TOGETHER) {
                block<kLayer, TOGETHER, N, STEP, PITCH>(tiles, in + t * kTileSide * STEP, channel,
                                                        sums() + t * kTileSide * kLanesOf + channel);
            }
        });
    }

    // Of M tiles of pixels and N of outputs: the sums in tiles 0 to 3, the pixels in 4 and 5, the weights in 6 and 7.
    template <std::size_t kLayer, int M, int N, int STEP, int PITCH>
    MF_INLINE void block(Tiles& tiles, const std::uint16_t* in, int channel, float* out) const {
        constexpr BfloatShape kShape = kRNetBfloat[kLayer];
        constexpr int kOut = 4 * kShape.lanes(), kIn = 2 * STEP, kRow = 2 * kTileDepth;
        const std::uint16_t* w = net_.layer[kLayer].weights + channel / kTileSide * kShape.weights();
        const float* const bias = net_.layer[kLayer].bias + channel;
        tiles.template load<0>(bias, 0);
        if constexpr (N > 1) tiles.template load<1>(bias + kTileSide, 0);
        if constexpr (M > 1) tiles.template load<2>(bias, 0);
        if constexpr (M > 1 && N > 1) tiles.template load<3>(bias + kTileSide, 0);
        MF_UNROLL(1)
        for (int s = 0; s < kShape.segments; ++s) {
            for (int k = 0; k < kShape.steps(); ++k, w += kTileFactors) {
                const std::uint16_t* const from = in + s * PITCH + k * kTileDepth;
                tiles.template load<4>(from, kIn);
                if constexpr (M > 1) tiles.template load<5>(from + kTileSide * STEP, kIn);
                tiles.template load<6>(w, kRow);
                if constexpr (N > 1) tiles.template load<7>(w + kShape.weights(), kRow);
                tiles.template multiply_add<0, 4, 6>();
                if constexpr (N > 1) tiles.template multiply_add<1, 4, 7>();
                if constexpr (M > 1) tiles.template multiply_add<2, 5, 6>();
                if constexpr (M > 1 && N > 1) tiles.template multiply_add<3, 5, 7>();
            }
        }
        float* const below = out + kTileSide * kShape.lanes();
        tiles.template store<0>(out, kOut);
        if constexpr (N > 1) tiles.template store<1>(out + kTileSide, kOut);
        if constexpr (M > 1) tiles.template store<2>(below, kOut);
        if constexpr (M > 1 && N > 1) tiles.template store<3>(below + kTileSide, kOut);
    }

    // PReLU of the SIDE x SIDE pixels of a map of sums that is PITCH pixels wide, and the maximum of 3 x 3 of them,
    // stride 2, ceil mode, for a WINDOW of 3.
    template <std::size_t kLayer, int SIDE, int PITCH, int WINDOW>
    MF_INLINE void activate(const float* in, std::uint16_t* out) const {
        constexpr int kLanesOf = kRNetBfloat[kLayer].lanes(), kStride = WINDOW > 1 ? 2 : 1;
        constexpr int n = (SIDE - WINDOW + kStride - 1) / kStride + 1;
        MF_UNROLL(1)
        for (int c = 0; c < kLanesOf; c += kLanes) {
            const V slope = load(net_.layer[kLayer].slope + c);
            MF_UNROLL(1)
            for (int y = 0; y < n; ++y) {
                V columns[SIDE];
                MF_UNROLL(1)
                for (int x = 0; x < SIDE; ++x) {
                    const auto at = [&](int row) __attribute__((always_inline)) {
                        return prelu(load(in + ((row < SIDE ? row : SIDE - 1) * PITCH + x) * kLanesOf + c), slope);
                    };
                    columns[x] = at(kStride * y);
                    for (int i = 1; i < WINDOW; ++i) columns[x] = max(columns[x], at(kStride * y + i));
                }
                MF_UNROLL(1)
                for (int x = 0; x < n; ++x) {
                    V best = columns[kStride * x];
                    for (int i = 1; i < WINDOW; ++i) {
                        const int column = kStride * x + i;
                        best = max(best, columns[column < SIDE ? column : SIDE - 1]);
                    }
                    store_bfloat(out + (y * n + x) * kLanesOf + c, best);
                }
            }
        }
    }

    // Of the sums of the dense layer, which become its outputs.
    MF_INLINE float difference(float* hidden) const {
        MF_UNROLL(1)
        for (int k = 0; k < kRNetStage.hidden; k += kLanes) {
            store(hidden + k, prelu(load(hidden + k), load(net_.layer[kRoughLayers - 1].slope + k)));
        }
        return head_difference<kRNetStage.hidden>(hidden, net_.difference, net_.difference_bias);
    }

    const BfloatNetworkWeights& net_;
    std::uint8_t* const scratch_;
};

namespace {

void rnet_bfloat(const BfloatNetworkWeights& net, const float* crops, int count, std::uint8_t* scratch,
                 float* differences) {
    BfloatNet(net, scratch).run(crops, count, differences);
}

constexpr BfloatKernel kBfloatKernel{BfloatLayout::kBytes, rnet_bfloat};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
