// P-Net's first layer: 3x3 convolution of three planes to ten, PReLU and 2x2 maximum, two pooled rows at a time. Lanes
// are pooled columns; even and odd columns of the convolution are accumulated apart and meet in the maximum.
#pragma once

#include <cstring>

#include "cpp/engine/area.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/simd.h"
#include "cpp/engine/winograd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

MF_INLINE constexpr int round_up(int n, int step) { return (n + step - 1) / step * step; }

// A tile's part of one row of a pyramid level, from column `first` on: three planes of even columns, three of odd ones.
class ScaledRow {
  public:
    static constexpr int kPlane = kScaledPlane;
    static constexpr std::size_t kFloats = kScaledFloats;

    MF_INLINE ScaledRow(float* data, int first) : data_(data), first_(first) {}

    MF_INLINE void put(int x, F32x4 pixel) const {
        float* const at = data_ + (x & 1) * kPlane + ((x - first_) >> 1);
        for (int c = 0; c < 3; ++c) at[2 * c * kPlane] = pixel[c];
    }

    template <class Block>
    MF_INLINE void put_block(int x, const Block& block) const {
        MF_UNROLL(2)
        for (int odd = 0; odd < 2; ++odd) {
            float* const at = data_ + odd * kPlane + ((x - first_) >> 1);
            block.template store_planes<2>(odd, at, at + 2 * kPlane, at + 4 * kPlane);
        }
    }

    // Copies the columns up to `end` from a row that was resampled before, whose first column is 0.
    MF_INLINE void copy(const float* from, std::ptrdiff_t plane, int end) const {
        const int count = end - first_;
        for (int i = 0; i < 6; ++i) {
            std::memcpy(data_ + i * kPlane, from + i * plane + first_ / 2,
                        static_cast<std::size_t>((count + (i % 2 == 0)) / 2) * sizeof(float));
        }
    }

    // Zeroes what follows, from column `end` on, up to `columns` pairs.
    MF_INLINE void finish(int end, int columns) const {
        const int count = end - first_;
        for (int plane = 0; plane < 6; ++plane) {
            float* const p = data_ + plane * kPlane;
            for (int x = (count + (plane % 2 == 0)) / 2; x < columns; ++x) p[x] = 0.0f;
        }
    }

    // Plane of channel c, even (0) or odd (1) columns, of a row at `data`.
    MF_INLINE static const float* plane(const float* data, int c, int odd) { return data + (2 * c + odd) * kPlane; }

  private:
    float* data_;
    int first_;
};

// Floats of workspace: six transformed rows and a block of planar pooled values.
constexpr std::size_t conv1_workspace() { return 6 * ScaledRow::kFloats + 2 * 12 * kLanes; }

struct Conv1 {
    const float* const* rows;  // six consecutive scaled rows
    const PNetWeights& weights;
    float* pooled0;
    float* pooled1;
    float* workspace;

    // As many output channels at once as the registers hold accumulators for: of all six products of Winograd's method
    // with AVX-512, where storing them costs more than reading the inputs more often, else of one.
    static constexpr bool kInRegisters = kLanes == 16;
    static constexpr int kGroup = kInRegisters ? 2 : kTile == 12 ? 10 : 5;

    // Four rows of conv1 directly, for the pooled columns [begin, end), whole vectors. `whole` is the number of pooled
    // columns that have two columns of conv1, `valid_rows` the number of rows of conv1 that exist.
    MF_INLINE void direct(int begin, int end, int whole, int valid_rows) const {
        for (int t = begin; t < end; t += kLanes) {
            MF_UNROLL(1)
            for (int o = 0; o < 10; o += 5) {
                V best[2][5];
                MF_UNROLL(1)
                for (int y = 0; y < 4; ++y) {
                    V acc[2][5];
                    MF_UNROLL(5)
                    for (int k = 0; k < 5; ++k) acc[0][k] = acc[1][k] = set1(weights.conv1_bias[o + k]);
                    MF_UNROLL(1)
                    for (int c = 0; c < 3; ++c) {
                        MF_UNROLL(1)
                        for (int ky = 0; ky < 3; ++ky) {
                            accumulate<5>(rows[y + ky], c, t, weights.conv1_direct + (c * 3 + ky) * 30 + o, acc);
                        }
                    }
                    const bool second = (y & 1) != 0;
                    MF_UNROLL(5)
                    for (int k = 0; k < 5; ++k) {
                        const V m = pool(acc[0][k], acc[1][k], set1(weights.conv1_slope[o + k]), whole - t);
                        if (!second) {
                            best[y / 2][k] = m;
                        } else if (y < valid_rows) {
                            best[y / 2][k] = max(best[y / 2][k], m);
                        }
                    }
                }
                MF_UNROLL(5)
                for (int k = 0; k < 5; ++k) {
                    store(planar(0, o + k), best[0][k]);
                    store(planar(1, o + k), best[1][k]);
                }
            }
            interleave(t);
        }
    }

    // The same by Winograd's F(4, 3) along the columns only: 6 instead of 12 products for four rows.
    MF_INLINE void winograd(int begin, int end, int whole, int valid_rows) const {
        transform(begin, end);
        for (int t = begin; t < end; t += kLanes) {
            MF_UNROLL(1)
            for (int o = 0; o < 10; o += kGroup) {
                V product[6][2][kGroup];
                if constexpr (kInRegisters) {
                    all_products(t, o, product);
                    MF_UNROLL(2)
                    for (int i = 0; i < kGroup; ++i) pooled(product, i, o + i, whole - t, valid_rows);
                } else {
                    MF_UNROLL(1)
                    for (int k = 0; k < 6; ++k) one_product(k, t, o, product[k]);
                    MF_UNROLL(1)
                    for (int i = 0; i < kGroup; ++i) pooled(product, i, o + i, whole - t, valid_rows);
                }
            }
            interleave(t);
        }
    }

  private:
    float* planar(int row, int channel) const {
        return workspace + 6 * ScaledRow::kFloats + (row * 12 + channel) * kLanes;
    }

    // The six products of kGroup channels from `o` on.
    MF_INLINE void all_products(int t, int o, V (&product)[6][2][kGroup]) const {
        MF_UNROLL(6)
        for (int k = 0; k < 6; ++k) MF_UNROLL(2)
        for (int i = 0; i < kGroup; ++i) product[k][0][i] = product[k][1][i] = zero();
        MF_UNROLL(1)
        for (int c = 0; c < 3; ++c) {
            MF_UNROLL(6)
            for (int k = 0; k < 6; ++k) {
                accumulate<kGroup>(workspace + k * ScaledRow::kFloats, c, t,
                                   weights.conv1_winograd + (k * 3 + c) * 30 + o, product[k]);
            }
        }
    }

    // Product k of them.
    MF_INLINE void one_product(int k, int t, int o, V (&product)[2][kGroup]) const {
        V acc[2][kGroup];
        MF_UNROLL(10)
        for (int i = 0; i < kGroup; ++i) acc[0][i] = acc[1][i] = zero();
        MF_UNROLL(1)
        for (int c = 0; c < 3; ++c) {
            accumulate<kGroup>(workspace + k * ScaledRow::kFloats, c, t, weights.conv1_winograd + (k * 3 + c) * 30 + o,
                               acc);
        }
        MF_UNROLL(10)
        for (int i = 0; i < kGroup; ++i) {
            product[0][i] = acc[0][i];
            product[1][i] = acc[1][i];
        }
    }

    // The output transform of channel i of a group, PReLU and the maximum, to the planar block.
    MF_INLINE void pooled(const V (&product)[6][2][kGroup], int i, int channel, int whole, int valid_rows) const {
        const V bias = set1(weights.conv1_bias[channel]), slope = set1(weights.conv1_slope[channel]);
        V out[2][4];
        MF_UNROLL(2)
        for (int odd = 0; odd < 2; ++odd) {
            V m[6];
            MF_UNROLL(6)
            for (int k = 0; k < 6; ++k) m[k] = product[k][odd][i];
            Winograd<4>::output(m, out[odd]);
        }
        V row[4];
        MF_UNROLL(4)
        for (int y = 0; y < 4; ++y) row[y] = pool(out[0][y] + bias, out[1][y] + bias, slope, whole);
        store(planar(0, channel), valid_rows > 1 ? max(row[0], row[1]) : row[0]);
        store(planar(1, channel), valid_rows > 3 ? max(row[2], row[3]) : row[2]);
    }

    // acc[parity][k] += three taps of one input row and channel.
    template <int N>
    MF_INLINE static void accumulate(const float* row, int c, int t, const float* w, V (&acc)[2][N]) {
        const float* const even = ScaledRow::plane(row, c, 0) + t;
        const float* const odd = ScaledRow::plane(row, c, 1) + t;
        const V x[4] = {load(even), load(odd), load(even + 1), load(odd + 1)};
        MF_UNROLL(3)
        for (int kx = 0; kx < 3; ++kx) {
            MF_UNROLL(10)
            for (int k = 0; k < N; ++k) {
                const V tap = set1(w[kx * 10 + k]);
                acc[0][k] = fma(x[kx], tap, acc[0][k]);
                acc[1][k] = fma(x[kx + 1], tap, acc[1][k]);
            }
        }
    }

    MF_INLINE static V pool(V even, V odd, V slope, int whole) {
        const V a = prelu(even, slope), b = prelu(odd, slope);
        return whole >= kLanes ? max(a, b) : max(a, first_lanes(whole < 0 ? 0 : whole, b, a));
    }

    MF_INLINE void transform(int begin, int end) const {
        // The last vector of columns reads one column more, whose old content would otherwise show in the rounding.
        for (int plane = 0; plane < 6; ++plane) {
            for (int x = begin; x <= end; x += kLanes) {
                const int at = plane * ScaledRow::kPlane + x;
                V d[6], o[6];
                MF_UNROLL(6)
                for (int i = 0; i < 6; ++i) d[i] = load(rows[i] + at);
                Winograd<4>::input(d, o);
                MF_UNROLL(6)
                for (int i = 0; i < 6; ++i) store(workspace + i * ScaledRow::kFloats + at, o[i]);
            }
        }
    }

    // Planar values of kLanes columns to pixels of 16 floats; channels 10 and 11 of the planar block stay zero.
    MF_INLINE void interleave(int t) const {
        MF_UNROLL(1)
        for (int row = 0; row < 2; ++row) {
            float* const out = (row ? pooled1 : pooled0) + t * 16;
            MF_UNROLL(4)
            for (int x = 0; x < kLanes; x += 4) {
                MF_UNROLL(3)
                for (int c = 0; c < 12; c += 4) {
                    F32x4 v[4];
                    MF_UNROLL(4)
                    for (int i = 0; i < 4; ++i) v[i] = load4(planar(row, c + i) + x);
                    transpose4(v[0], v[1], v[2], v[3]);
                    MF_UNROLL(4)
                    for (int i = 0; i < 4; ++i) store4(out + (x + i) * 16 + c, v[i]);
                }
            }
        }
    }
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
