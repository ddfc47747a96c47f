// What simd.h says of networks of bytes, for instruction sets of four lanes, by what every processor has.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

typedef std::int8_t I8x8 __attribute__((vector_size(8)));
typedef std::int16_t I16x8 __attribute__((vector_size(16)));

using I = I32x4;
inline constexpr int kByteTile = 6;
struct Quads {
    U8x8 half[2];  // lanes 0 and 1, 2 and 3
};

MF_INLINE Quads load_quads(const std::int8_t* p) { return {{load_as<U8x8>(p), load_as<U8x8>(p + 8)}}; }
MF_INLINE Quads spread_quad(const std::uint8_t* p) {
    const U8x4 quad = load_as<U8x4>(p);
    const U8x8 twice = __builtin_shufflevector(quad, quad, 0, 1, 2, 3, 4, 5, 6, 7);
    return {{twice, twice}};
}
MF_INLINE I32x4 dot(const Quads (&x)[3], const Quads (&w)[3], I32x4 sum) {
    I32x4 pairs[2];
    MF_UNROLL(2)
    for (int h = 0; h < 2; ++h) {
        I16x8 products{};
        MF_UNROLL(3)
        for (int q = 0; q < 3; ++q) {
            products += __builtin_convertvector(x[q].half[h], I16x8) *
                        __builtin_convertvector(load_as<I8x8>(&w[q].half[h]), I16x8);
        }
        const I32x4 both = load_as<I32x4>(&products);
        pairs[h] = (both >> 16) + ((I32x4)((U32x4)both << 16) >> 16);
    }
    return sum + __builtin_shufflevector(pairs[0], pairs[1], 0, 2, 4, 6) +
           __builtin_shufflevector(pairs[0], pairs[1], 1, 3, 5, 7);
}

template <class Vector>
MF_INLINE void store_bytes(std::uint8_t* p, Vector vector) {
    const F32x4 v = (F32x4)vector;
    const F32x4 low = v > 0.0f ? v : F32x4{};
    const F32x4 clamped = low < 255.5f ? low : set4(255.5f);
    const U8x4 bytes = __builtin_convertvector(__builtin_convertvector(clamped, I32x4), U8x4);
    std::memcpy(p, &bytes, sizeof bytes);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
