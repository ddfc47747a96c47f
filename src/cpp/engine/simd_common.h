// Shared by the kernels of all instruction sets: macros, and vectors of 16 bytes that GCC and Clang make anywhere.
// Each kernels_<isa>.cpp defines MF_ISA, a namespace. All functions are force-inlined or static and lie in it, so
// that the linker can never pick a body compiled for a newer processor for use on an older one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/resample.h"

#define MF_INLINE inline __attribute__((always_inline))

// GCC's and Clang's unroll pragmas; register tiles only stay in registers when their loops are gone.
#define MF_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define MF_UNROLL(n) MF_PRAGMA(unroll n)
#else
#define MF_UNROLL(n) MF_PRAGMA(GCC unroll n)
#endif

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

typedef std::uint8_t U8x4 __attribute__((vector_size(4)));
typedef std::uint8_t U8x8 __attribute__((vector_size(8)));
typedef std::uint16_t U16x4 __attribute__((vector_size(8)));
typedef std::uint16_t U16x8 __attribute__((vector_size(16)));
typedef std::uint32_t U32x4 __attribute__((vector_size(16)));
typedef std::int32_t I32x4 __attribute__((vector_size(16)));
typedef float F32x4 __attribute__((vector_size(16)));

template <class T>
MF_INLINE T load_as(const void* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

MF_INLINE F32x4 load4(const float* p) { return load_as<F32x4>(p); }
MF_INLINE F32x4 set4(float x) { return F32x4{x, x, x, x}; }
MF_INLINE void store4(float* p, F32x4 v) { std::memcpy(p, &v, sizeof v); }

MF_INLINE void transpose4(F32x4& a, F32x4& b, F32x4& c, F32x4& d) {
    const F32x4 ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const F32x4 cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
    c = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
    d = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
}

// The normalisation of common/resample.h on a pixel's sums, of which three lanes count.
MF_INLINE F32x4 normalise_pixel(U16x8 sum, float inverse) {
    const U16x4 low = load_as<U16x4>(&sum);
    const F32x4 value = __builtin_convertvector(__builtin_convertvector(low, I32x4), F32x4);
    return (value * inverse - kPixelMean) * kPixelScale;
}

MF_INLINE F32x4 normalise_pixel(U32x4 sum, float inverse) {
    const F32x4 value = __builtin_convertvector(sum, F32x4);
    return (value * inverse - kPixelMean) * kPixelScale;
}

// Normalises the sums of four pixels, kStep elements apart, and writes them to three planes. Bit i * kStep of `more`
// says which of the two inverse areas is pixel i's.
template <int kStep, class Sum>
MF_INLINE void planes_by_pixel(const Sum* sums, unsigned more, const float* inverse, float* r, float* g, float* b) {
    F32x4 pixel[4];
    MF_UNROLL(4)
    for (int i = 0; i < 4; ++i) pixel[i] = normalise_pixel(sums[i * kStep], inverse[more >> i * kStep & 1]);
    transpose4(pixel[0], pixel[1], pixel[2], pixel[3]);
    store4(r, pixel[0]);
    store4(g, pixel[1]);
    store4(b, pixel[2]);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
