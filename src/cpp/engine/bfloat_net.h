// The kernel of R-Net and O-Net in bfloat16 by products of tiles. MF_TILES names the file with the tiles: those of the
// processor, or what tests have in their place. It defines, in the namespace of MF_ISA,
//
//   Tiles                eight tiles of this thread, numbered from 0; at most one object at a time
//   release()            ends their use: until then the system saves eight kilobytes at each change of threads
//   load<n>(p, pitch)    tile n from 16 rows of 64 bytes, `pitch` bytes apart; the same row for 0
//   store<n>(p, pitch)   and back
//   multiply_add<n, a, b>()      tile n += tile a * tile b as TDPBF16PS does. `a` has 16 rows of 32 bfloat16 numbers,
//                        `b` 16 rows of 16 pairs: what row i of the sums gets of numbers 2 k and 2 k + 1 of row i of
//                        `a` are the pairs of row k of `b`.
#pragma once

#include <array>
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

// How the kernel computes a layer. A map of sums is as wide as the map that it is computed from, so that a tile's rows
// are neighbours; pixels that lie in no output are not read.
struct BfloatPass {
    BfloatShape shape;
    std::size_t from;  // bytes of the scratch before the layer's inputs
    int step;          // numbers between the inputs of two pixels
    int pitch;         // and of two rows
    int width;         // pixels of a row of sums
    int side;          // of the outputs before the maximum
    int window;        // of the maximum; 1 for none
    int tiles;         // of pixels

    // Two tiles of pixels are computed together, but for a single one.
    constexpr int even_tiles() const { return tiles > 1 ? (tiles + 1) / 2 * 2 : 1; }
    constexpr int sums() const { return even_tiles() * kTileSide * shape.lanes(); }
    // Numbers that the layer reads.
    constexpr int reads() const {
        return (even_tiles() * kTileSide - 1) * step + (shape.segments - 1) * pitch + shape.steps() * kTileDepth;
    }
};

// A network's layers, and where in the scratch their inputs and sums lie. The last convolution, which reads a tile of
// pixels for each crop, and the dense layer, which reads a row for each, compute all crops at once.
struct BfloatPlan {
    int pixels;         // numbers of a crop
    std::size_t dense;  // index of that layer
    std::array<BfloatPass, kMaxRoughLayers> pass{};
    std::size_t sums = 0;
    std::size_t bytes = 0;
    // Whether what a tile reads beyond its map is padding: always zero, and so no infinity, which times 0 is no number.
    bool reads_padding = true;

    constexpr explicit BfloatPlan(const CropStage& stage)
        : pixels(3 * stage.size * stage.size), dense(stage.convolutions) {
        const std::array<BfloatShape, kMaxRoughLayers> shapes = bfloat_shapes(stage);
        int most = 0;
        for (std::size_t i = 0; i <= dense; ++i) {
            pass[i] = i < dense ? convolution(stage, i) : BfloatPass{{}, 0, 9 * stage.last().outputs, 0, 1, 1, 1, 1};
            BfloatPass& of = pass[i];
            of.shape = shapes[i];
            of.from = sums;
            const int crops = i == dense ? kTileSide : i + 1 == dense ? kCropBlock : 1;
            sums = after(of.from, 2 * crops * (i == dense ? of.step : of.width * of.width * of.step));
            if (of.from + 2 * static_cast<std::size_t>(of.reads()) > sums) reads_padding = false;
            if (of.sums() > most) most = of.sums();
        }
        bytes = after(sums, 4 * most);
    }

  private:
    static constexpr BfloatPass convolution(const CropStage& stage, std::size_t i) {
        const Convolution& layer = stage.convolution[i];
        const int width = stage.side(i), side = layer.after_kernel(width);
        const int step = i == 0 ? layer.inputs : padded_channels(layer.inputs);
        const int tiles = i + 1 == stage.convolutions ? kCropBlock : (side * width + kTileSide - 1) / kTileSide;
        return {{}, 0, step, width * step, width, side, layer.pool > 1 ? layer.pool : 1, tiles};
    }
};

static_assert(kCropBlock <= kTileSide);

// The sums of M tiles of pixels and N tiles of a layer's outputs, from output `channel` on. segment(s) points to the
// inputs of segment s of the first pixel, of which `step` numbers lead to the next one's. The sums are in tiles 0 to 3,
// the pixels in 4 and 5, the weights in 6 and 7.
template <int M, int N, class Segment>
MF_INLINE void tile_products(Tiles& tiles, const BfloatShape& shape, const BfloatLayer& layer, int channel, int step,
                             Segment segment, float* out) {
    constexpr int kRow = 2 * kTileDepth;
    const int row_out = 4 * shape.lanes(), row_in = 2 * step, steps = shape.steps(), other = shape.weights();
    const std::uint16_t* w = layer.weights + channel / kTileSide * other;
    const float* const bias = layer.bias + channel;
    tiles.template load<0>(bias, 0);
    if constexpr (N > 1) tiles.template load<1>(bias + kTileSide, 0);
    if constexpr (M > 1) tiles.template load<2>(bias, 0);
    if constexpr (M > 1 && N > 1) tiles.template load<3>(bias + kTileSide, 0);
    MF_UNROLL(1)
    for (int s = 0; s < shape.segments; ++s) {
        const std::uint16_t* from = segment(s);
        MF_UNROLL(1)
        for (int k = 0; k < steps; ++k, from += kTileDepth, w += kTileFactors) {
            tiles.template load<4>(from, row_in);
            if constexpr (M > 1) tiles.template load<5>(from + kTileSide * step, row_in);
            tiles.template load<6>(w, kRow);
            if constexpr (N > 1) tiles.template load<7>(w + other, kRow);
            tiles.template multiply_add<0, 4, 6>();
            if constexpr (N > 1) tiles.template multiply_add<1, 4, 7>();
            if constexpr (M > 1) tiles.template multiply_add<2, 5, 6>();
            if constexpr (M > 1 && N > 1) tiles.template multiply_add<3, 5, 7>();
        }
    }
    float* const below = out + kTileSide * shape.lanes();
    tiles.template store<0>(out, row_out);
    if constexpr (N > 1) tiles.template store<1>(out + kTileSide, row_out);
    if constexpr (M > 1) tiles.template store<2>(below, row_out);
    if constexpr (M > 1 && N > 1) tiles.template store<3>(below + kTileSide, row_out);
}

class BfloatNet {
  public:
    MF_INLINE BfloatNet(const BfloatPlan& plan, const BfloatNetworkWeights& net, std::uint8_t* scratch)
        : plan_(plan), net_(net), scratch_(scratch) {}

    MF_INLINE void run(const float* crops, int count, float* differences) const {
        const std::size_t dense = plan_.dense, last = dense - 1;
        Tiles tiles;
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            take_pixels(crops + i * plan_.pixels);
            MF_UNROLL(1)
            for (std::size_t layer = 0; layer < last; ++layer) {
                multiply<2>(tiles, layer, plan_.pass[layer].tiles);
                std::uint16_t* const out = inputs(layer + 1) + (layer + 1 == last ? i * map_of(last) : 0);
                if (plan_.pass[layer].window == 3) {
                    activate<3>(layer, sums(), out);
                } else {
                    activate<2>(layer, sums(), out);
                }
            }
        }
        multiply<2>(tiles, last, count);
        const int map = plan_.pass[dense].step, sums_of_crop = kTileSide * plan_.pass[last].shape.lanes();
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) activate<1>(last, sums() + i * sums_of_crop, inputs(dense) + i * map);
        multiply<1>(tiles, dense, 1);
        tiles.release();
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) differences[i] = difference(sums() + i * plan_.pass[dense].shape.lanes());
    }

  private:
    MF_INLINE std::uint16_t* inputs(std::size_t layer) const {
        return reinterpret_cast<std::uint16_t*>(scratch_ + plan_.pass[layer].from);
    }
    MF_INLINE float* sums() const { return reinterpret_cast<float*>(scratch_ + plan_.sums); }
    // Numbers that a convolution reads of a crop.
    MF_INLINE int map_of(std::size_t layer) const { return plan_.pass[layer].width * plan_.pass[layer].pitch; }

    MF_INLINE void take_pixels(const float* crop) const {
        MF_UNROLL(1)
        for (int k = 0; k < plan_.pixels; k += kLanes) store_bfloat(inputs(0) + k, load(crop + k));
    }

    // The sums of a layer for `count` tiles of pixels, rounded up to a multiple of TOGETHER.
    template <int TOGETHER>
    MF_INLINE void multiply(Tiles& tiles, std::size_t layer, int count) const {
        const BfloatPass& pass = plan_.pass[layer];
        const int lanes = pass.shape.lanes();
        MF_UNROLL(1)
        for (int channel = 0; channel < lanes; channel += 2 * kTileSide) {
            MF_UNROLL(1)
            for (int t = 0; t < count; t += TOGETHER) {
                const std::uint16_t* const in = inputs(layer) + t * kTileSide * pass.step;
                const auto segment = [&](int n) __attribute__((always_inline)) { return in + n * pass.pitch; };
                float* const out = sums() + t * kTileSide * lanes + channel;
                if (channel + kTileSide < lanes) {
                    tile_products<TOGETHER, 2>(tiles, pass.shape, net_.layer[layer], channel, pass.step, segment, out);
                } else {
                    tile_products<TOGETHER, 1>(tiles, pass.shape, net_.layer[layer], channel, pass.step, segment, out);
                }
            }
        }
    }

    // PReLU of a map of sums, and the maximum of WINDOW x WINDOW of them, stride 2, ceil mode, for a WINDOW above 1.
    template <int WINDOW>
    MF_INLINE void activate(std::size_t layer, const float* in, std::uint16_t* out) const {
        constexpr int kStride = WINDOW > 1 ? 2 : 1;
        const BfloatPass& pass = plan_.pass[layer];
        const int lanes = pass.shape.lanes(), side = pass.side, pitch = pass.width * lanes;
        const int n = (side - WINDOW + kStride - 1) / kStride + 1;
        MF_UNROLL(1)
        for (int c = 0; c < lanes; c += kLanes) {
            const V slope = load(net_.layer[layer].slope + c);
            MF_UNROLL(1)
            for (int y = 0; y < n; ++y) {
                V columns[kMostColumns];
                const float* row[WINDOW];
                for (int i = 0; i < WINDOW; ++i) {
                    const int at = kStride * y + i;
                    row[i] = in + (at < side ? at : side - 1) * pitch + c;
                }
                MF_UNROLL(1)
                for (int x = 0; x < side; ++x) {
                    columns[x] = prelu(load(row[0] + x * lanes), slope);
                    for (int i = 1; i < WINDOW; ++i) {
                        columns[x] = max(columns[x], prelu(load(row[i] + x * lanes), slope));
                    }
                }
                MF_UNROLL(1)
                for (int x = 0; x < n; ++x) {
                    V best = columns[kStride * x];
                    for (int i = 1; i < WINDOW; ++i) {
                        const int column = kStride * x + i;
                        best = max(best, columns[column < side ? column : side - 1]);
                    }
                    store_bfloat(out + (y * n + x) * lanes + c, best);
                }
            }
        }
    }

    // Of the sums of the dense layer, which become its outputs.
    MF_INLINE float difference(float* hidden) const {
        const int lanes = plan_.pass[plan_.dense].shape.lanes();
        MF_UNROLL(1)
        for (int k = 0; k < lanes; k += kLanes) {
            store(hidden + k, prelu(load(hidden + k), load(net_.layer[plan_.dense].slope + k)));
        }
        return head_difference(hidden, lanes, net_.difference, net_.difference_bias);
    }

    static constexpr int kMostColumns = kONetStage.size - 2;

    const BfloatPlan& plan_;
    const BfloatNetworkWeights& net_;
    std::uint8_t* const scratch_;
};

namespace {

template <const CropStage& kStage>
constexpr BfloatPlan kBfloatPlan{kStage};

template <const CropStage& kStage>
void crop_bfloat(const BfloatNetworkWeights& net, const float* crops, int count, std::uint8_t* scratch,
                 float* differences) {
    BfloatNet(kBfloatPlan<kStage>, net, scratch).run(crops, count, differences);
}

template <const CropStage& kStage>
constexpr BfloatKernel kBfloatKernel{kBfloatPlan<kStage>.bytes, crop_bfloat<kStage>};

static_assert(kBfloatPlan<kRNetStage>.reads_padding && kBfloatPlan<kONetStage>.reads_padding);

constexpr BfloatKernels kBfloatKernels{kBfloatKernel<kRNetStage>, kBfloatKernel<kONetStage>};

}  // namespace
}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
