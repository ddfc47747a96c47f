// An element of a tile of sums by Intel's definition of TDPBF16PS, for tests.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace mtcnn_fast {

inline float to_float(std::uint16_t bfloat) { return std::bit_cast<float>(std::uint32_t{bfloat} << 16); }

inline float normal(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

// What `sum` is after TDPBF16PS: x(i) and y(i) are the factors, i < numbers.
template <class X, class Y>
float tile_sum(float sum, int numbers, X x, Y y) {
    float parts[2] = {};
    for (int i = 0; i < numbers; ++i) {
        float& part = parts[i % 2];
        // In double the product is exact, and the sum rounds to float as if it had been rounded once (Figueroa 1995).
        part = normal(static_cast<float>(double{normal(x(i))} * double{normal(y(i))} + double{part}));
    }
    return normal(normal(sum) + normal(parts[0] + parts[1]));
}

}  // namespace mtcnn_fast
