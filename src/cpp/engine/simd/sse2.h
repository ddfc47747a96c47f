// SSE2, which every x86-64 has: a product and a sum are rounded one by one. simd.h lists what each of these files
// defines.
#pragma once

#include <immintrin.h>

#include "cpp/engine/simd/bytes_of_4.h"
#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

using V = __m128;
inline constexpr int kLanes = 4;
inline constexpr int kTile = 6;  // 6 x 2 accumulators of 16 registers
MF_INLINE V load(const float* p) { return _mm_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm_set1_ps(x); }
MF_INLINE V in_register(V v) { return v; }
MF_INLINE V fma(V a, V b, V c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
MF_INLINE V fnma(V a, V b, V c) { return _mm_sub_ps(c, _mm_mul_ps(a, b)); }
MF_INLINE V max(V a, V b) { return _mm_max_ps(a, b); }
MF_INLINE V prelu(V x, V slope) {
    const V positive = _mm_cmpgt_ps(x, _mm_setzero_ps());
    return _mm_or_ps(_mm_and_ps(positive, x), _mm_andnot_ps(positive, _mm_mul_ps(x, slope)));
}
MF_INLINE V first_lanes(int n, V a, V b) {
    const V keep = _mm_castsi128_ps(_mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3)));
    return _mm_or_ps(_mm_and_ps(keep, a), _mm_andnot_ps(keep, b));
}
MF_INLINE unsigned lanes_at_least(V a, V b) { return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpge_ps(a, b))); }

MF_INLINE V lane_sums(V* v) {
    _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
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
