// AVX2 with fused multiply-add. simd.h lists what each of these files defines.
#pragma once

#include <immintrin.h>

#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

using V = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kTile = 6;  // 6 x 2 accumulators of 16 registers
MF_INLINE V load(const float* p) { return _mm256_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm256_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm256_set1_ps(x); }
MF_INLINE V in_register(V v) { return v; }
MF_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
MF_INLINE V fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
MF_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
MF_INLINE V prelu(V x, V slope) {
    return _mm256_blendv_ps(_mm256_mul_ps(x, slope), x, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
MF_INLINE V first_lanes(int n, V a, V b) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane)));
}
MF_INLINE unsigned lanes_at_least(V a, V b) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)));
}

MF_INLINE V lane_sums(V* v) {
    const V a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    const V b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

typedef std::uint16_t U16 __attribute__((vector_size(32)));
// GCC 12 makes four instructions of a conversion that is written without intrinsics.
MF_INLINE U16 load_bytes(const std::uint8_t* p) {
    return (U16)_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Two normalised pixels of four lanes.
MF_INLINE __m256 normalise_pair(U16x8 first, U16x8 second, float first_inverse, float second_inverse) {
    const __m128i sums = _mm_unpacklo_epi64((__m128i)first, (__m128i)second);
    const __m256 inverse =
        _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(first_inverse)), _mm_set1_ps(second_inverse), 1);
    const __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
    return (value * inverse - _mm256_set1_ps(kPixelMean)) * _mm256_set1_ps(kPixelScale);
}

template <int kStep>
MF_INLINE void normalise_to_planes(const U16x8* sums, unsigned more, const float* inverse, float* r, float* g,
                                   float* b) {
    const __m256 first = normalise_pair(sums[0], sums[kStep], inverse[more & 1], inverse[more >> kStep & 1]);
    const __m256 second = normalise_pair(sums[2 * kStep], sums[3 * kStep], inverse[more >> 2 * kStep & 1],
                                         inverse[more >> 3 * kStep & 1]);
    // Unpacked: r0 r2 g0 g2 r1 r3 g1 g3 and b0 b2 - - b1 b3 - -.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256 rg = _mm256_permutevar8x32_ps(_mm256_unpacklo_ps(first, second), order);
    const __m256 bx = _mm256_permutevar8x32_ps(_mm256_unpackhi_ps(first, second), order);
    _mm_storeu_ps(r, _mm256_castps256_ps128(rg));
    _mm_storeu_ps(g, _mm256_extractf128_ps(rg, 1));
    _mm_storeu_ps(b, _mm256_castps256_ps128(bx));
}

typedef std::int32_t I __attribute__((vector_size(32)));
using Quads = __m256i;
MF_INLINE Quads load_quads(const std::int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
MF_INLINE Quads spread_quad(const std::uint8_t* p) { return _mm256_set1_epi32(load_as<std::int32_t>(p)); }
#if defined(__AVXVNNI__)
inline constexpr int kByteTile = 6;
MF_INLINE I dot(const Quads (&x)[3], const Quads (&w)[3], I sum) {
    MF_UNROLL(3)
    for (int q = 0; q < 3; ++q) sum = (I)_mm256_dpbusd_avx_epi32((__m256i)sum, x[q], w[q]);
    return sum;
}
#else
inline constexpr int kByteTile = 3;  // 3 x 2 accumulators beside six vectors of weights
MF_INLINE I dot(const Quads (&x)[3], const Quads (&w)[3], I sum) {
    const __m256i pairs =
        _mm256_add_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(x[0], w[0]), _mm256_maddubs_epi16(x[1], w[1])),
                         _mm256_maddubs_epi16(x[2], w[2]));
    return sum + (I)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#endif
MF_INLINE void store_bytes(std::uint8_t* p, V v) {
    // What is negative, also below -2^31, packs to 0.
    const __m256i n = _mm256_cvttps_epi32(_mm256_min_ps(v, _mm256_set1_ps(255.5f)));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
