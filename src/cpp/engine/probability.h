// The float32 softmax of the two-way heads, and its inverse.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace mtcnn_fast::engine {

// Probability of the second class, from logits shifted by the larger one as is usual against overflow.
inline __attribute__((always_inline)) float face_probability(float background, float face) {
    const float top = background > face ? background : face;
    const float e0 = std::exp(background - top), e1 = std::exp(face - top);
    return e1 / (e0 + e1);
}

// A logit difference below which the float32 softmax is surely under the threshold. The margins cover the rounding of
// the softmax and of the difference, which the kernels sum in another order.
inline __attribute__((always_inline)) float logit_floor(float threshold) {
    const double p = std::min(double{threshold}, 1.0) - 2.4e-7;
    if (p <= 0.0) return -std::numeric_limits<float>::max();
    return static_cast<float>(std::log(p / (1.0 - p)) - 1e-3);
}

}  // namespace mtcnn_fast::engine
