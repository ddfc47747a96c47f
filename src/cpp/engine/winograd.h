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

// Floats of workspace for winograd_block<m, ci, co, tiles>: transformed inputs, one row of products, row-transformed
// products.
constexpr std::size_t winograd_workspace(std::size_t m, std::size_t ci, std::size_t co, std::size_t tiles) {
    const std::size_t n = m + 2;
    const std::size_t padded = (ci + kLanes - 1) / kLanes * kLanes;
    return tiles * (n * n * padded + n * co + n * m * co);
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
    float* const products = inputs + std::size_t{n} * n * kMaxTiles * padded;
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
        MF_UNROLL(1)
        for (int j = 0; j < n; ++j) {
            const float* const a = inputs + std::size_t(i * n + j) * kMaxTiles * padded;
            const float* const w = weights + std::size_t(i * n + j) * CI * CO;
            float* const out = products + std::size_t(j) * kMaxTiles * CO;
            for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
                for_tiles(tiles, [&]<int P>(int t) __attribute__((always_inline)) {
                    V acc[P][NV];
                    MF_UNROLL(12)
                    for (int p = 0; p < P; ++p)
                        for (int v = 0; v < NV; ++v) acc[p][v] = zero();
                    multiply<P, NV>(a + t * padded, padded, CI, w + c, CO, acc);
                    MF_UNROLL(12)
                    for (int p = 0; p < P; ++p)
                        for (int v = 0; v < NV; ++v) store(out + (t + p) * CO + c + v * kLanes, acc[p][v]);
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
                for (int j = 0; j < M; ++j) store(rows + ((i * M + j) * kMaxTiles + t) * CO + c, o[j]);
            }
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
