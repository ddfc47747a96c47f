// Winograd convolutions F(m x m, 3 x 3) for m = 3 and 4 (Lavin and Gray, 2016; scripts/winograd_matrices.py derives and
// checks the matrices). Channels in lanes throughout: a tile's input transform, one small matrix product per transform
// point with the tiles as pixels, and the output transform, which is applied along rows as soon as a row of transform
// points is finished, so that the products stay in the L1 cache.
#pragma once

#include "cpp/engine/microkernel.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

template <int M>
struct Winograd;

template <>
struct Winograd<3> {
    static constexpr int kSide = 5;
    MF_INLINE static void input(const V* d, V* o) {
        const V two = set1(2.0f);
        const V d31 = d[3] - d[1];
        o[0] = fma(two, d[0] - d[2], d31);
        o[1] = fnma(two, d[1], d[3] - d[2]);
        o[2] = fma(two, d[1], fnma(set1(3.0f), d[2], d[3]));
        o[3] = d31;
        o[4] = fnma(two, d31, d[4] - d[2]);
    }
    MF_INLINE static void output(const V* m, V* o) {
        const V sum = m[1] + m[2];
        o[0] = m[0] + sum + m[3];
        o[1] = fma(set1(2.0f), m[3], m[1] - m[2]);
        o[2] = fma(set1(4.0f), m[3], sum) + m[4];
    }
};

template <>
struct Winograd<4> {
    static constexpr int kSide = 6;
    MF_INLINE static void input(const V* d, V* o) {
        const V four = set1(4.0f), two = set1(2.0f), five = set1(5.0f);
        const V a = fnma(four, d[2], d[4]), b = fnma(four, d[1], d[3]);
        const V c = d[4] - d[2], e = d[3] - d[1];
        o[0] = fma(four, d[0], fnma(five, d[2], d[4]));
        o[1] = a + b;
        o[2] = a - b;
        o[3] = fma(two, e, c);
        o[4] = fnma(two, e, c);
        o[5] = fma(four, d[1], fnma(five, d[3], d[5]));
    }
    MF_INLINE static void output(const V* m, V* o) {
        const V s12 = m[1] + m[2], d12 = m[1] - m[2], s34 = m[3] + m[4], d34 = m[3] - m[4];
        o[0] = m[0] + s12 + s34;
        o[1] = fma(set1(2.0f), d34, d12);
        o[2] = fma(set1(4.0f), s34, s12);
        o[3] = fma(set1(8.0f), d34, d12) + m[5];
    }
};

// Products of the transform points of row i, and their output transform along the row: M values of CO channels for each
// tile. `a` and `w` are the row's transformed inputs and weights.
template <int M, int CI, int CO, int kMaxTiles>
MF_INLINE void row_by_points(int tiles, const float* a, const float* w, float* products, float* out) {
    constexpr int n = Winograd<M>::kSide;
    constexpr int padded = (CI + kLanes - 1) / kLanes * kLanes;
    MF_UNROLL(1)
    for (int j = 0; j < n; ++j) {
        for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
            for_tiles(tiles, [&]<int P>(int t) __attribute__((always_inline)) {
                V acc[P][NV];
                MF_UNROLL(12)
                for (int p = 0; p < P; ++p)
                    for (int v = 0; v < NV; ++v) acc[p][v] = zero();
                multiply<P, NV>(a + (j * kMaxTiles + t) * padded, padded, CI, w + j * CI * CO + c, CO, acc);
                MF_UNROLL(12)
                for (int p = 0; p < P; ++p)
                    for (int v = 0; v < NV; ++v)
                        store(products + (j * kMaxTiles + t + p) * CO + c + v * kLanes, acc[p][v]);
            });
        });
    }
    for (int t = 0; t < tiles; ++t) {
        MF_UNROLL(1)
        for (int c = 0; c < CO; c += kLanes) {
            V m[n], o[M];
            MF_UNROLL(6)
            for (int j = 0; j < n; ++j) m[j] = load(products + (j * kMaxTiles + t) * CO + c);
            Winograd<M>::output(m, o);
            MF_UNROLL(4)
            for (int j = 0; j < M; ++j) store(out + (j * kMaxTiles + t) * CO + c, o[j]);
        }
    }
}

// Whether row_in_registers() is the faster one: with 32 registers of 16 floats, and while the weights that it reads
// again for every few tiles stay in the L1 cache. Measured with AVX-512 (Zen 4), P-Net's third layer takes 0.92 times
// as long.
template <int M, int CI>
inline constexpr bool kRowInRegisters =
    kLanes == 16 && Winograd<M>::kSide * CI * 2 * kLanes * sizeof(float) <= std::size_t{24} << 10;

// The same with all points of a few tiles at once, whose products never leave the registers.
template <int M, int CI, int CO, int kMaxTiles>
MF_INLINE void row_in_registers(int tiles, const float* a, const float* w, float* out) {
    constexpr int n = Winograd<M>::kSide;
    constexpr int padded = (CI + kLanes - 1) / kLanes * kLanes;
    for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
        constexpr int P = 4 / NV;
        static_assert(kMaxTiles % P == 0);
        MF_UNROLL(1)
        for (int t = 0; t < tiles; t += P) {
            V acc[n][P][NV];
            MF_UNROLL(6)
            for (int j = 0; j < n; ++j) MF_UNROLL(4)
            for (int p = 0; p < P; ++p) MF_UNROLL(2)
            for (int v = 0; v < NV; ++v) acc[j][p][v] = zero();
            const float* const pixels = a + t * padded;
            const float* const of_channel = w + c;
            MF_UNROLL(1)
            for (int k = 0; k < CI; ++k) {
                MF_UNROLL(6)
                for (int j = 0; j < n; ++j) {
                    V row[NV];
                    MF_UNROLL(2)
                    for (int v = 0; v < NV; ++v) {
                        row[v] = load(of_channel + (j * CI + k) * CO + v * kLanes);
                        if constexpr (NV > 1) row[v] = in_register(row[v]);
                    }
                    MF_UNROLL(4)
                    for (int p = 0; p < P; ++p) {
                        const V x = set1(pixels[(j * kMaxTiles + p) * padded + k]);
                        MF_UNROLL(2)
                        for (int v = 0; v < NV; ++v) acc[j][p][v] = fma(x, row[v], acc[j][p][v]);
                    }
                }
            }
            MF_UNROLL(4)
            for (int p = 0; p < P; ++p) MF_UNROLL(2)
            for (int v = 0; v < NV; ++v) {
                V m[n], o[M];
                MF_UNROLL(6)
                for (int j = 0; j < n; ++j) m[j] = acc[j][p][v];
                Winograd<M>::output(m, o);
                MF_UNROLL(4)
                for (int j = 0; j < M; ++j) store(out + (j * kMaxTiles + t + p) * CO + c + v * kLanes, o[j]);
            }
        }
    });
}

// Convolves up to kMaxTiles tiles of m x m outputs.
// pixel(t, i, j) points to the CI channels (readable up to a multiple of kLanes, finite) of the input pixel in row i
// and column j of tile t; emit(t, channel, out) takes out[i][j], the sums of kLanes channels without bias.
template <int M, int CI, int CO, int kMaxTiles, class Pixel, class Emit>
MF_INLINE void winograd_block(int tiles, const float* weights, float* workspace, Pixel pixel, Emit emit) {
    static_assert(kMaxTiles % kTile == 0);
    constexpr int n = Winograd<M>::kSide;
    constexpr int padded = (CI + kLanes - 1) / kLanes * kLanes;
    float* const inputs = workspace;
    [[maybe_unused]] float* const products = inputs + std::size_t{n} * n * kMaxTiles * padded;
    float* const rows = products + std::size_t{n} * kMaxTiles * CO;

    for (int t = 0; t < tiles; ++t) {
        MF_UNROLL(1)
        for (int c = 0; c < padded; c += kLanes) {
            V column[n][n];
            MF_UNROLL(6)
            for (int j = 0; j < n; ++j) {
                V d[n], o[n];
                MF_UNROLL(6)
                for (int i = 0; i < n; ++i) d[i] = load(pixel(t, i, j) + c);
                Winograd<M>::input(d, o);
                MF_UNROLL(6)
                for (int i = 0; i < n; ++i) column[i][j] = o[i];
            }
            MF_UNROLL(6)
            for (int i = 0; i < n; ++i) {
                V o[n];
                Winograd<M>::input(column[i], o);
                MF_UNROLL(6)
                for (int j = 0; j < n; ++j) store(inputs + ((i * n + j) * kMaxTiles + t) * padded + c, o[j]);
            }
        }
    }

    MF_UNROLL(1)
    for (int i = 0; i < n; ++i) {
        const float* const a = inputs + std::size_t(i) * n * kMaxTiles * padded;
        const float* const w = weights + std::size_t(i) * n * CI * CO;
        float* const out = rows + std::size_t(i) * M * kMaxTiles * CO;
        if constexpr (kRowInRegisters<M, CI>) {
            row_in_registers<M, CI, CO, kMaxTiles>(tiles, a, w, out);
        } else {
            row_by_points<M, CI, CO, kMaxTiles>(tiles, a, w, products, out);
        }
    }

    for (int t = 0; t < tiles; ++t) {
        MF_UNROLL(1)
        for (int c = 0; c < CO; c += kLanes) {
            V out[M][M];
            MF_UNROLL(4)
            for (int j = 0; j < M; ++j) {
                V m[n], o[M];
                MF_UNROLL(6)
                for (int i = 0; i < n; ++i) m[i] = load(rows + ((i * M + j) * kMaxTiles + t) * CO + c);
                Winograd<M>::output(m, o);
                MF_UNROLL(4)
                for (int i = 0; i < M; ++i) out[i][j] = o[i];
            }
            emit(t, c, out);
        }
    }
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
