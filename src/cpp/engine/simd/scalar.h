// no instruction set in particular: vectors of four floats as the compiler makes them; same bits as SSE2. simd.h lists
// what each of these files defines.
#pragma once

#include "cpp/engine/simd/bytes_of_4.h"
#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

using V = F32x4;
inline constexpr int kLanes = 4;
inline constexpr int kTile = 6;
MF_INLINE V load(const float* p) { return load_as<V>(p); }
MF_INLINE void store(float* p, V v) { std::memcpy(p, &v, sizeof v); }
MF_INLINE V set1(float x) { return V{x, x, x, x}; }
MF_INLINE V in_register(V v) { return v; }
MF_INLINE V fma(V a, V b, V c) { return a * b + c; }
MF_INLINE V fnma(V a, V b, V c) { return c - a * b; }
MF_INLINE V max(V a, V b) { return a > b ? a : b; }
MF_INLINE V prelu(V x, V slope) { return x > V{} ? x : x * slope; }
MF_INLINE V first_lanes(int n, V a, V b) {
    const I32x4 lane{0, 1, 2, 3};
    return lane < I32x4{n, n, n, n} ? a : b;
}
MF_INLINE unsigned lanes_at_least(V a, V b) {
    const I32x4 passes = a >= b;
    const I32x4 bits = passes & I32x4{1, 2, 4, 8};
    return static_cast<unsigned>(bits[0] | bits[1] | bits[2] | bits[3]);
}

MF_INLINE V lane_sums(V* v) {
    transpose4(v[0], v[1], v[2], v[3]);
    return (v[0] + v[1]) + (v[2] + v[3]);
}

typedef std::uint16_t U16 __attribute__((vector_size(16)));
MF_INLINE U16 load_bytes(const std::uint8_t* p) { return __builtin_convertvector(load_as<U8x8>(p), U16); }

template <int kStep>
MF_INLINE void normalise_to_planes(const U16x8* sums, unsigned more, const float* inverse, float* r, float* g,
                                   float* b) {
    planes_by_pixel<kStep>(sums, more, inverse, r, g, b);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
