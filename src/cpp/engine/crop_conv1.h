// The first layer of R-Net and O-Net: a 3x3 convolution of three channels, PReLU and a 3x3 maximum with stride 2, by
// rows that stay in the L1 cache. Output channels are in lanes.
#pragma once

#include "cpp/engine/crop_layout.h"
#include "cpp/engine/tile_ends.h"
#include "cpp/engine/winograd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// Crops of S x S pixels to C channels. `ring` holds three rows of S pixels.
template <int S, int C>
class CropConv1 {
  public:
    MF_INLINE CropConv1(const Layer& layer, const float* crop, float* ring, float* workspace, float* out)
        : layer_(layer), crop_(crop), ring_(ring), workspace_(workspace), out_(out) {}

    // By Winograd's F(4, 3) along the columns only: six products for four rows instead of twelve. The rows
    // meet in their maximum before they are stored: an even row of it, and an odd one that still lacks the first of the
    // next four rows.
    MF_INLINE void run() const {
        static_assert(kSide % 4 == 2, "the last group has two rows, which are the last of the maximum");
        for (int y = 0; y < kSide; y += 4) {
            transform(y);
            const bool last = y + 4 > kSide;
            for_channels<C>([&]<int NV>(int c) __attribute__((always_inline)) {
                for_even_tiles<kSide>([&]<int P>(int x) __attribute__((always_inline)) { tile<P, NV>(x, c, last); });
            });
            const auto pool = [&](int row, const float* maxima) __attribute__((always_inline)) {
                pool_columns(row, [&](int at) __attribute__((always_inline)) { return load(maxima + at); });
            };
            if (y > 0) pool(y / 2 - 1, ring(kComplete));
            pool(y / 2, ring(kEven));
        }
    }

  private:
    static constexpr int kSide = S - 2, kPooled = (kSide - 2) / 2 + 1;
    static constexpr int kRow = crop_row(S);
    // Rows of maxima: an even one, an odd one, and an odd one that lacks its last row.
    enum { kEven, kComplete, kPartial };

    float* ring(int row) const { return ring_ + row * S * C; }

    // Six rows of the crop from `y` on, its last one repeated. What lies behind a row reaches only pixels that register
    // tiles compute too many.
    MF_INLINE void transform(int y) const {
        const float* rows[6];
        for (int i = 0; i < 6; ++i) rows[i] = crop_ + (y + i < S ? y + i : S - 1) * S * 3;
        MF_UNROLL(1)
        for (int x = 0; x < S * 3; x += kLanes) {
            V d[6], o[6];
            MF_UNROLL(6)
            for (int i = 0; i < 6; ++i) d[i] = load(rows[i] + x);
            Winograd<4>::input(d, o);
            MF_UNROLL(6)
            for (int i = 0; i < 6; ++i) store(workspace_ + i * kRow + x, o[i]);
        }
    }

    // P pixels of four rows of the convolution, from six products.
    template <int P, int NV>
    MF_INLINE void tile(int x, int c, bool last) const {
        V product[6][P][NV];
        MF_UNROLL(1)
        for (int k = 0; k < 6; ++k) {
            V acc[P][NV];
            MF_UNROLL(12)
            for (int p = 0; p < P; ++p)
                for (int v = 0; v < NV; ++v) acc[p][v] = zero();
            multiply<P, NV>(workspace_ + k * kRow + 3 * x, 3, opaque(9), layer_.winograd + k * 9 * C + c, C, acc);
            MF_UNROLL(12)
            for (int p = 0; p < P; ++p)
                for (int v = 0; v < NV; ++v) product[k][p][v] = acc[p][v];
        }
        MF_UNROLL(2)
        for (int v = 0; v < NV; ++v) {
            const int channel = c + v * kLanes;
            const V bias = load(layer_.bias + channel), slope = load(layer_.slope + channel);
            MF_UNROLL(1)
            for (int p = 0; p < P; ++p) {
                V m[6], row[4];
                MF_UNROLL(6)
                for (int k = 0; k < 6; ++k) m[k] = product[k][p][v];
                Winograd<4>::output(m, row);
                MF_UNROLL(4)
                for (int i = 0; i < 4; ++i) row[i] = prelu(row[i] + bias, slope);
                const int at = (x + p) * C + channel;
                store(ring(kComplete) + at, max(load(ring(kPartial) + at), row[0]));
                const V two = max(row[0], row[1]);
                store(ring(kEven) + at, last ? two : max(two, row[2]));
                store(ring(kPartial) + at, max(row[2], row[3]));
            }
        }
    }

    // Row y of the output, the maximum of three columns; column(at) has that of the rows.
    template <class Column>
    MF_INLINE void pool_columns(int y, Column column) const {
        MF_UNROLL(1)
        for (int c = 0; c < C; c += kLanes) {
            V left = column(c);
            for (int x = 0; x < kPooled; ++x) {
                const V middle = column((2 * x + 1) * C + c);
                const V right = 2 * x + 2 < kSide ? column((2 * x + 2) * C + c) : middle;
                store(out_ + (y * kPooled + x) * C + c, max(max(left, middle), right));
                left = right;
            }
        }
    }

    const Layer& layer_;
    const float* const crop_;
    float* const ring_;
    float* const workspace_;
    float* const out_;
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
