// The register-blocked kernel under every convolution and dense layer: output channels in lanes, pixels in registers,
// inputs broadcast one at a time. Each accumulator is a plain chain over k, so a pixel's result does not depend on how
// many pixels are computed beside it.
#pragma once

#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// acc[p][v] += sum_k a[p * lda + k] * w[k * ldw + v * kLanes]
template <int P, int NV>
MF_INLINE void multiply(const float* a, int lda, int count, const float* w, int ldw, V (&acc)[P][NV]) {
    MF_UNROLL(2)
    for (int k = 0; k < count; ++k, ++a, w += ldw) {
        V row[NV];
        MF_UNROLL(2)
        for (int v = 0; v < NV; ++v) row[v] = load(w + v * kLanes);
        MF_UNROLL(12)
        for (int p = 0; p < P; ++p) {
            const V x = set1(a[p * lda]);
            MF_UNROLL(2)
            for (int v = 0; v < NV; ++v) acc[p][v] = fma(x, row[v], acc[p][v]);
        }
    }
}

// The same for pixels anywhere in memory: acc[p][v] += sum over segments s and k of a[p][offset[s] + k] * w[...]; the
// weights of the segments follow one another.
template <int P, int NV>
MF_INLINE void multiply(const float* const* a, const int* offsets, int segments, int count, const float* w, int ldw,
                        V (&acc)[P][NV]) {
    MF_UNROLL(1)
    for (int s = 0; s < segments; ++s) {
        const float* base[P];
        MF_UNROLL(12)
        for (int p = 0; p < P; ++p) base[p] = a[p] + offsets[s];
        MF_UNROLL(2)
        for (int k = 0; k < count; ++k, w += ldw) {
            V row[NV];
            MF_UNROLL(2)
            for (int v = 0; v < NV; ++v) row[v] = load(w + v * kLanes);
            MF_UNROLL(12)
            for (int p = 0; p < P; ++p) {
                const V x = set1(base[p][k]);
                MF_UNROLL(2)
                for (int v = 0; v < NV; ++v) acc[p][v] = fma(x, row[v], acc[p][v]);
            }
        }
    }
}

// Whether opaque() and for_even_tiles() pay: with wide vectors. With four lanes they take more instructions.
inline constexpr bool kWideVectors = kLanes > 4;

// n, which the compiler does not know: loops of so few passes would be unrolled whole, and their accumulators spilled.
MF_INLINE int opaque(int n) {
    if constexpr (kWideVectors) asm("" : "+r"(n));
    return n;
}

// Splits n pixels into register tiles of kTile and one smaller one, whose size is rounded up to a multiple of 3 to keep
// the number of instantiations low; arrays are padded for the at most two pixels too many.
template <class Body>
MF_INLINE void for_tiles(int n, Body body) {
    int i = 0;
    for (; i + kTile <= n; i += kTile) body.template operator()<kTile>(i);
    const int rest = n - i;
    if constexpr (kTile == 12) {
        if (rest > 9) return body.template operator()<12>(i);
        if (rest > 6) return body.template operator()<9>(i);
    }
    if (rest > 3) return body.template operator()<6>(i);
    if (rest > 0) return body.template operator()<3>(i);
}

// Splits N pixels into register tiles of at most kTile, with wide vectors such that they differ by one pixel at most
// and none is too many.
template <int N, class Body>
MF_INLINE void for_even_tiles(Body body) {
    [[maybe_unused]] constexpr int count = (N + kTile - 1) / kTile, size = (N + count - 1) / count;
    [[maybe_unused]] constexpr int large = (N - count * (size - 1)) * size;  // pixels in tiles of the larger size
    if constexpr (!kWideVectors) {
        for_tiles(N, body);
    } else {
        MF_UNROLL(1)
        for (int i = 0; i < large; i += size) body.template operator()<size>(i);
        if constexpr (large < N) {
            MF_UNROLL(1)
            for (int i = large; i < N; i += size - 1) body.template operator()<size - 1>(i);
        }
    }
}

// Calls body<n>(channel) for the CO output channels, two vectors at a time and one for an odd rest.
template <int CO, class Body>
MF_INLINE void for_channels(Body body) {
    static_assert(CO % kLanes == 0);
    constexpr int pairs = CO / (2 * kLanes) * (2 * kLanes);
    MF_UNROLL(1)
    for (int c = 0; c < pairs; c += 2 * kLanes) body.template operator()<2>(c);
    if constexpr (pairs < CO) body.template operator()<1>(pairs);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
