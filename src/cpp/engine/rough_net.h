// What the kernels that score crops roughly share. For kernels only.
#pragma once

#include <cstddef>

#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// Where a map of `bytes` at `at` ends, padded by what a tile or a vector reads or writes too much.
constexpr std::size_t after(std::size_t at, int bytes) {
    constexpr std::size_t kPad = 2304;
    return at + (static_cast<std::size_t>(bytes) + kPad + 63) / 64 * 64;
}

// Calls body<n>(channel) for the lanes of a layer, two groups of WIDTH at a time and one for an odd rest.
template <int LANES, int WIDTH, class Body>
MF_INLINE void for_lanes(Body body) {
    constexpr int pairs = LANES / (2 * WIDTH) * (2 * WIDTH);
    MF_UNROLL(1)
    for (int c = 0; c < pairs; c += 2 * WIDTH) body.template operator()<2>(c);
    if constexpr (pairs < LANES) body.template operator()<1>(pairs);
}

// The difference of the two logits: sixteen sums, which are added by halves, so that every kernel has the same bits.
MF_INLINE float head_difference(const float* hidden, int count, const float* weights, float bias) {
    constexpr int kSums = 16;
    float sums[kSums] = {};
    for (int k = 0; k < count; k += kSums)
        for (int j = 0; j < kSums; ++j) sums[j] += hidden[k + j] * weights[k + j];
    for (int half = kSums / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
    return sums[0] + bias;
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
