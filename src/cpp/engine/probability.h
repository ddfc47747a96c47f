// The float32 softmax of the two-way heads.
#pragma once

#include <cmath>

namespace mtcnn_fast::engine {

// Probability of the second class, from logits shifted by the larger one as is usual against overflow.
inline __attribute__((always_inline)) float face_probability(float background, float face) {
    const float top = background > face ? background : face;
    const float e0 = std::exp(background - top), e1 = std::exp(face - top);
    return e1 / (e0 + e1);
}

}  // namespace mtcnn_fast::engine
