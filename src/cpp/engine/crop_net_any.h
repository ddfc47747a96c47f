// R-Net and O-Net of any widths. What crop_net.h compiles for each layer is here a few functions that all layers call,
// so that they add little to the package. Every sum has the same order, so at the standard widths the results are those
// of crop_net.h to the bit.
#pragma once

#include <cstring>

#include "cpp/engine/crop_conv1.h"
#include "cpp/engine/crop_layout.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/microkernel.h"
#include "cpp/engine/winograd.h"

// Called, seen by one file only, and compiled for size: the time goes into loops that gain nothing from more code.
#if defined(__clang__)
#define MF_SHARED [[gnu::noinline, gnu::cold]] static
#else
#define MF_SHARED [[gnu::noinline, gnu::noclone, gnu::cold]] static
#endif

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// A run of pixels, the weights that they are multiplied by, and where the sums go.
struct Products {
    const float* in;  // the first pixel
    int stride;       // floats from one pixel to the next
    // A pixel's inputs: `rows` of the kernel, `step` floats apart, of `columns` pieces, `stride` apart, of `count`.
    int rows;
    int step;
    int columns;
    int count;
    const float* weights;  // [row][column][input][output]
    int outputs;           // a multiple of 16
    const float* bias;     // null for none
    float* out;
};

// P pixels from `first` on and NV vectors of outputs from `c` on.
template <int P, int NV>
MF_SHARED void product_tile(const Products& job, int first, int c) {
    V acc[P][NV];
    MF_UNROLL(2)
    for (int v = 0; v < NV; ++v) {
        const V bias = job.bias != nullptr ? load(job.bias + c + v * kLanes) : zero();
        MF_UNROLL(12)
        for (int p = 0; p < P; ++p) acc[p][v] = bias;
    }
    const float* weights = job.weights + c;
    MF_UNROLL(1)
    for (int y = 0; y < job.rows; ++y) MF_UNROLL(1)
    for (int x = 0; x < job.columns; ++x) {
        const float* const in = job.in + y * job.step + (first + x) * job.stride;
        multiply<P, NV>(in, job.stride, job.count, weights, job.outputs, acc);
        weights += job.count * job.outputs;
    }
    float* out = job.out + first * job.outputs + c;
    MF_UNROLL(12)
    for (int p = 0; p < P; ++p, out += job.outputs) MF_UNROLL(2)
    for (int v = 0; v < NV; ++v) store(out + v * kLanes, acc[p][v]);
}

// All outputs of `pixels` pixels, and of up to two more.
MF_SHARED void products(const Products& job, int pixels) {
    // One vector of outputs is left over where it has as many lanes as channels are padded to.
    constexpr bool kMayBeSingle = 16 % (2 * kLanes) != 0;
    MF_UNROLL(1)
    for (int c = 0; c < job.outputs; c += 2 * kLanes) {
        const bool single = kMayBeSingle && c + kLanes == job.outputs;
        MF_UNROLL(1)
        for (int i = 0; i < pixels;) {
            const int rest = pixels - i, size = kTile > 6 && rest > 9 && !single ? kTile : rest > 3 ? 6 : 3;
            if constexpr (kMayBeSingle) {
                if (single) size == 6 ? product_tile<6, 1>(job, i, c) : product_tile<3, 1>(job, i, c);
            }
            if (!single) {
                if (kTile > 6 && size == kTile) {
                    product_tile<kTile, 2>(job, i, c);
                } else {
                    size == 6 ? product_tile<6, 2>(job, i, c) : product_tile<3, 2>(job, i, c);
                }
            }
            i += size;
        }
    }
}

// The same for pixels whose `count` inputs lie together, `stride` floats apart.
MF_SHARED void products_of_runs(const float* in, int stride, int count, const float* weights, int outputs,
                                const float* bias, int pixels, float* out) {
    products({.in = in,
              .stride = stride,
              .rows = 1,
              .step = 0,
              .columns = 1,
              .count = count,
              .weights = weights,
              .outputs = outputs,
              .bias = bias,
              .out = out},
             pixels);
}

// PReLU of pixels in place, after the bias where it is not yet in the sums.
MF_SHARED void activate(const Layer& layer, bool biased, int channels, int pixels, float* out) {
    MF_UNROLL(1)
    for (int i = 0; i < pixels; ++i) MF_UNROLL(1)
    for (int c = 0; c < channels; c += kLanes, out += kLanes) {
        V x = load(out);
        if (!biased) x = x + load(layer.bias + c);
        store(out, prelu(x, load(layer.slope + c)));
    }
}

// The maximum over pool x pool pixels, stride 2, ceil mode, of a square map.
MF_SHARED void max_pool(const float* in, int side, int channels, int pool, float* out) {
    for (int y = 0; y + pool <= side + 1; y += 2)
        for (int x = 0; x + pool <= side + 1; x += 2)
            for (int c = 0; c < channels; c += kLanes, out += kLanes) {
                const float* const corner = in + (y * side + x) * channels + c;
                V best = load(corner);
                for (int i = 0; i < pool && y + i < side; ++i)
                    for (int j = 0; j < pool && x + j < side; ++j)
                        best = max(best, load(corner + (i * side + j) * channels));
                store(out, best);
            }
}

// Winograd's transforms of `count` floats, a multiple of kLanes: of vectors that are `pitch` apart to vectors that are
// `to` apart, which may be the same ones.
using Transform = void(const float* in, int pitch, float* out, int to, int count);

template <int M>
MF_SHARED void transform_inputs(const float* in, int pitch, float* out, int to, int count) {
    constexpr int n = Winograd<M>::kSide;
    MF_UNROLL(1)
    for (int k = 0; k < count; k += kLanes, in += kLanes, out += kLanes) {
        V d[n], o[n];
        MF_UNROLL(6)
        for (int i = 0; i < n; ++i) d[i] = load(in + i * pitch);
        Winograd<M>::input(d, o);
        MF_UNROLL(6)
        for (int i = 0; i < n; ++i) store(out + i * to, o[i]);
    }
}

template <int M>
MF_SHARED void transform_outputs(const float* in, int pitch, float* out, int to, int count) {
    constexpr int n = Winograd<M>::kSide;
    MF_UNROLL(1)
    for (int k = 0; k < count; k += kLanes, in += kLanes, out += kLanes) {
        V m[n], o[M];
        MF_UNROLL(6)
        for (int i = 0; i < n; ++i) m[i] = load(in + i * pitch);
        Winograd<M>::output(m, o);
        MF_UNROLL(4)
        for (int i = 0; i < M; ++i) store(out + i * to, o[i]);
    }
}

// Square maps one after the other, of `channels` floats a pixel, of which the first `inputs` are used.
struct Maps {
    const float* data;
    int count;
    int side;
    int channels;
    int inputs;
};

// A 3x3 convolution to `outputs` channels by Winograd's F(m x m), whose tiles cover the output exactly.
MF_SHARED void conv_winograd(const Layer& layer, const Maps& maps, int m, int outputs, float* workspace, float* out) {
    Transform* const to_points = m == 3 ? transform_inputs<3> : transform_inputs<4>;
    Transform* const from_points = m == 3 ? transform_outputs<3> : transform_outputs<4>;
    const int n = m + 2, channels = maps.channels, side = maps.side - 2;
    const int point = kCropTiles * channels, sum = kCropTiles * outputs;  // floats from one to the next
    float* const columns = workspace;                                     // of one tile, transformed
    float* const inputs = columns + n * n * channels;
    float* const sums = inputs + n * n * point;
    float* const rows = sums + n * sum;
    const int tiles_a_row = side / m, per_map = tiles_a_row * tiles_a_row, total = maps.count * per_map;
    const int blocks = (total + kCropTiles - 1) / kCropTiles, size = (total + blocks - 1) / blocks;
    for (int first = 0; first < total; first += size) {
        const int tiles = total - first < size ? total - first : size;
        // The tile's first pixel, among those of maps of `width` x `width`.
        const auto place = [&](int t, int width) __attribute__((always_inline)) {
            const int map = (first + t) / per_map, in_map = (first + t) % per_map;
            return (map * width + in_map / tiles_a_row * m) * width + in_map % tiles_a_row * m;
        };
        for (int t = 0; t < tiles; ++t) {
            const float* const tile = maps.data + place(t, maps.side) * channels;
            MF_UNROLL(1)
            for (int j = 0; j < n; ++j) {
                to_points(tile + j * channels, maps.side * channels, columns + j * channels, n * channels, channels);
            }
            MF_UNROLL(1)
            for (int i = 0; i < n; ++i) {
                to_points(columns + i * n * channels, channels, inputs + i * n * point + t * channels, point, channels);
            }
        }
        const float* weights = layer.winograd;
        MF_UNROLL(1)
        for (int i = 0; i < n; ++i) {
            MF_UNROLL(1)
            for (int j = 0; j < n; ++j, weights += maps.inputs * outputs) {
                products_of_runs(inputs + (i * n + j) * point, channels, maps.inputs, weights, outputs, nullptr, tiles,
                                 sums + j * sum);
            }
            from_points(sums, sum, rows + i * m * sum, sum, tiles * outputs);
        }
        for (int t = 0; t < tiles; ++t) {
            float* const tile = out + place(t, side) * outputs;
            MF_UNROLL(1)
            for (int j = 0; j < m; ++j) {
                from_points(rows + j * sum + t * outputs, m * sum, tile + j * outputs, side * outputs, outputs);
            }
        }
    }
    activate(layer, false, outputs, maps.count * side * side, out);
}

// The same computed directly.
MF_SHARED void conv_direct(const Layer& layer, const Maps& maps, int outputs, float* out) {
    const int side = maps.side - 2, row = maps.side * maps.channels;
    const bool contiguous = maps.inputs == maps.channels;  // a row of the kernel is
    for (int i = 0; i < maps.count * side; ++i, out += side * outputs) {
        products({.in = maps.data + (i / side * maps.side + i % side) * row,
                  .stride = maps.channels,
                  .rows = 3,
                  .step = row,
                  .columns = contiguous ? 1 : 3,
                  .count = contiguous ? 3 * maps.inputs : maps.inputs,
                  .weights = layer.direct,
                  .outputs = outputs,
                  .bias = layer.bias,
                  .out = out},
                 side);
        activate(layer, true, outputs, side, out);
    }
}

// Pixels one after the other, whose `count` inputs lie together.
MF_SHARED void dense(const Layer& layer, const float* in, int count, int pixels, int outputs, float* out) {
    products_of_runs(in, count, count, layer.direct, outputs, layer.bias, pixels, out);
    if (layer.slope != nullptr) activate(layer, true, outputs, pixels, out);
}

// A row of a first layer's output: the maximum of three columns and three rows of `side` pixels.
MF_SHARED void pool_rows(const float* first, const float* second, const float* third, int side, int channels,
                         float* out) {
    const auto column = [&](int x, int c) __attribute__((always_inline)) {
        const int at = x * channels + c;
        return max(max(load(first + at), load(second + at)), load(third + at));
    };
    MF_UNROLL(1)
    for (int x = 0; x < side; x += 2) MF_UNROLL(1)
    for (int c = 0; c < channels; c += kLanes, out += kLanes) {
        store(out, max(max(column(x, c), column(x + 1, c)), column(x + 2 < side ? x + 2 : x + 1, c)));
    }
}

// A first layer, as CropConv1, of crops of size x size pixels to `channels`.
struct AnyConv1 {
    const Layer& layer;
    int size;
    int channels;
    float* ring;  // three rows
    float* workspace;

    MF_INLINE void direct(const float* crop, float* out) const {
        const int side = size - 2, row = size * channels;
        for (int y = 0; y < side; ++y) {
            products({.in = crop + y * size * 3,
                      .stride = 3,
                      .rows = 3,
                      .step = size * 3,
                      .columns = 1,
                      .count = 9,
                      .weights = layer.direct,
                      .outputs = channels,
                      .bias = layer.bias,
                      .out = ring + y % 3 * row},
                     side);
            activate(layer, true, channels, side, ring + y % 3 * row);
            if (y % 2 == 0 && y > 0) pool(y - 2, y, out);
        }
        pool(side - 2, side - 1, out);
    }

    MF_INLINE void winograd(const float* crop, float* out) const {
        constexpr int kRows = 6;
        const int side = size - 2, row = size * channels, width = 3 * size + 16;
        float* const points = workspace;
        float* const sums = points + kRows * width;
        for (int y = 0; y < side; y += 4) {
            MF_UNROLL(1)
            for (int i = 0; i < kRows; ++i) {
                const int from = y + i < size ? y + i : size - 1;
                // With what lies behind the row: it is finite, and reaches only pixels that tiles compute too many.
                std::memcpy(points + i * width, crop + from * 3 * size, sizeof(float) * width);
            }
            transform_inputs<4>(points, width, points, width, 3 * size);
            MF_UNROLL(1)
            for (int k = 0; k < kRows; ++k) {
                products_of_runs(points + k * width, 3, 9, layer.winograd + k * 9 * channels, channels, nullptr, side,
                                 sums + k * row);
            }
            transform_outputs<4>(sums, row, sums, row, side * channels);
            MF_UNROLL(1)
            for (int i = 0; i < 4; ++i) activate(layer, false, channels, side, sums + i * row);
            float* const pooled = out + y / 2 * (side / 2) * channels;
            if (y > 0) pool_rows(ring, ring + row, sums, side, channels, pooled - side / 2 * channels);
            // The last group has two rows.
            const float* const third = sums + (y + 4 > side ? row : 2 * row);
            pool_rows(sums, sums + row, third, side, channels, pooled);
            std::memcpy(ring, sums + 2 * row, sizeof(float) * 2 * row);
        }
    }

  private:
    MF_INLINE void pool(int first, int last, float* out) const {
        const int row = size * channels, side = size - 2;
        pool_rows(ring + first % 3 * row, ring + (first + 1) % 3 * row, ring + last % 3 * row, side, channels,
                  out + first / 2 * (side / 2) * channels);
    }
};

// A network on up to kCropBlock crops.
class AnyCropNet {
  public:
    MF_INLINE AnyCropNet(const CropNetWeights& net, Algorithm algorithm, float* scratch)
        : net_(net), at_(net.layout), direct_(algorithm == Algorithm::kDirect), scratch_(scratch) {}

    MF_INLINE void run(const float* crops, int count, float* out) const {
        const CropStage& stage = net_.stage;
        const std::size_t alone = stage.crop_by_crop, last = stage.convolutions - 1;
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            first_layer(crops + i * 3 * stage.size * stage.size, pooled(0, i));
            MF_UNROLL(1)
            for (std::size_t k = 1; k < alone; ++k) layer(k, i, 1);
        }
        MF_UNROLL(1)
        for (std::size_t k = alone; k < last; ++k) layer(k, 0, count);
        last_layer(last, count);
        float* const hidden = scratch_ + at_.hidden;
        float outputs[(kCropBlock + 3) * kCropOutputs];
        dense(net_.dense, scratch_ + at_.convolved[last], 9 * at_.channels[last], count, stage.hidden, hidden);
        dense(net_.heads, hidden, stage.hidden, count, kCropOutputs, outputs);
        std::memcpy(out, outputs, sizeof(float) * kCropOutputs * count);
    }

  private:
    // The pooled map of a crop; layers that run crop by crop have one for all.
    MF_INLINE float* pooled(std::size_t k, int crop) const {
        const int map = k + 1 < net_.stage.crop_by_crop ? 0 : at_.side[k + 1] * at_.side[k + 1] * at_.channels[k];
        return scratch_ + at_.pooled[k] + crop * map;
    }

    MF_INLINE void first_layer(const float* crop, float* out) const {
        const AnyConv1 conv1{net_.convolution[0], net_.stage.size, at_.channels[0], scratch_ + at_.convolved[0],
                             scratch_ + at_.workspace};
        if (net_.stage.convolution[0].winograd > 0 && !direct_) {
            conv1.winograd(crop, out);
        } else {
            conv1.direct(crop, out);
        }
    }

    // A 3x3 convolution and its maximum, of `count` crops from `first` on.
    MF_INLINE void layer(std::size_t k, int first, int count) const {
        const Convolution& description = net_.stage.convolution[k];
        const int outputs = at_.channels[k], side = at_.side[k] - 2;
        const Maps maps{pooled(k - 1, first), count, at_.side[k], at_.channels[k - 1], description.inputs};
        const float* map = scratch_ + at_.convolved[k];
        if (direct_ || description.winograd == 0) {
            conv_direct(net_.convolution[k], maps, outputs, scratch_ + at_.convolved[k]);
        } else {
            conv_winograd(net_.convolution[k], maps, description.winograd, outputs, scratch_ + at_.workspace,
                          scratch_ + at_.convolved[k]);
        }
        for (int i = first; i < first + count; ++i, map += side * side * outputs) {
            max_pool(map, side, outputs, description.pool, pooled(k, i));
        }
    }

    // A 2x2 convolution of 4x4 maps to 3x3 ones. The inputs of each pixel are put together, so that all pixels of all
    // crops are one run.
    MF_INLINE void last_layer(std::size_t k, int count) const {
        const int channels = at_.channels[k - 1];
        const float* const maps = pooled(k - 1, 0);
        float* at = scratch_ + at_.workspace;
        for (int i = 0; i < 9 * count; ++i) {
            const float* const pixel = maps + (i / 9 * 16 + i % 9 / 3 * 4 + i % 3) * channels;
            for (int y = 0; y < 2; ++y, at += 2 * channels) {
                std::memcpy(at, pixel + y * 4 * channels, sizeof(float) * 2 * channels);
            }
        }
        dense(net_.convolution[k], scratch_ + at_.workspace, 4 * channels, 9 * count, at_.channels[k],
              scratch_ + at_.convolved[k]);
    }

    const CropNetWeights& net_;
    const CropNetLayout& at_;
    const bool direct_;
    float* const scratch_;
};

// NOLINTNEXTLINE(readability-non-const-parameter): clang-tidy does not see what is called with it
MF_SHARED void crop_net_any(const CropNetWeights& net, Algorithm algorithm, const float* crops, int count,
                            float* scratch, float* out) {
    AnyCropNet(net, algorithm, scratch).run(crops, count, out);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
