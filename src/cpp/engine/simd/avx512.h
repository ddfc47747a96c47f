// AVX-512 (F, BW, DQ, VL). simd.h lists what each of these files defines.
#pragma once

#include <immintrin.h>

#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

using V = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kTile = 12;  // pixels of a register tile: 12 x 2 accumulators of 32 registers
MF_INLINE V load(const float* p) { return _mm512_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm512_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm512_set1_ps(x); }
// GCC would make a memory operand of every use; two multiply-adds then wait for two loads of 64 bytes.
MF_INLINE V in_register(V v) {
    asm("" : "+v"(v));  // no instruction
    return v;
}
MF_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
MF_INLINE V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
MF_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
MF_INLINE V prelu(V x, V slope) {
    return _mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NGT_UQ), x, slope);
}
MF_INLINE V first_lanes(int n, V a, V b) { return _mm512_mask_blend_ps(static_cast<__mmask16>((1u << n) - 1u), b, a); }
MF_INLINE unsigned lanes_at_least(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }

MF_INLINE V lane_sums(V* v) {
    // Fold 128-bit quarters: after two rounds v[i] holds a quarter-sum each of inputs i, i + 4, i + 8 and i + 12.
    MF_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
        V pair[2];
        MF_UNROLL(2)
        for (int j = 0; j < 2; ++j) {
            const V a = v[i + 8 * j], b = v[i + 8 * j + 4];
            pair[j] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
        }
        v[i] =
            _mm512_add_ps(_mm512_shuffle_f32x4(pair[0], pair[1], 0x88), _mm512_shuffle_f32x4(pair[0], pair[1], 0xDD));
    }
    const V ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    const V cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    return _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
}

typedef std::uint16_t U16 __attribute__((vector_size(64)));
// GCC 12 makes four instructions of a conversion that is written without intrinsics.
MF_INLINE U16 load_bytes(const std::uint8_t* p) {
    return (U16)_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

// The four pixels' sums are sixteen lanes.
template <int kStep>
MF_INLINE void normalise_to_planes(const U16x8* sums, unsigned more, const float* inverse, float* r, float* g,
                                   float* b) {
    const __m128i low = _mm_unpacklo_epi64((__m128i)sums[0], (__m128i)sums[kStep]);
    const __m128i high = _mm_unpacklo_epi64((__m128i)sums[2 * kStep], (__m128i)sums[3 * kStep]);
    const __m256i all = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    constexpr int bit[4] = {1, 1 << kStep, 1 << 2 * kStep, 1 << 3 * kStep};
    const __m512i bits = _mm512_setr_epi32(bit[0], bit[0], bit[0], bit[0], bit[1], bit[1], bit[1], bit[1], bit[2],
                                           bit[2], bit[2], bit[2], bit[3], bit[3], bit[3], bit[3]);
    const __mmask16 wider = _mm512_test_epi32_mask(_mm512_set1_epi32(static_cast<int>(more)), bits);
    const __m512 scale = _mm512_mask_blend_ps(wider, _mm512_set1_ps(inverse[0]), _mm512_set1_ps(inverse[1]));
    const __m512 value = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(all));
    const __m512 pixels = (value * scale - _mm512_set1_ps(kPixelMean)) * _mm512_set1_ps(kPixelScale);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 planes = _mm512_permutexvar_ps(order, pixels);
    _mm_storeu_ps(r, _mm512_castps512_ps128(planes));
    _mm_storeu_ps(g, _mm512_extractf32x4_ps(planes, 1));
    _mm_storeu_ps(b, _mm512_extractf32x4_ps(planes, 2));
}

typedef std::int32_t I __attribute__((vector_size(64)));
using Quads = __m512i;
MF_INLINE Quads load_quads(const std::int8_t* p) { return _mm512_loadu_si512(p); }
MF_INLINE Quads spread_quad(const std::uint8_t* p) { return _mm512_set1_epi32(load_as<std::int32_t>(p)); }
#if defined(__AVX512VNNI__)
inline constexpr int kByteTile = 12;
MF_INLINE I dot(const Quads (&x)[3], const Quads (&w)[3], I sum) {
    MF_UNROLL(3)
    for (int q = 0; q < 3; ++q) sum = (I)_mm512_dpbusd_epi32((__m512i)sum, x[q], w[q]);
    return sum;
}
#else
inline constexpr int kByteTile = 9;
MF_INLINE I dot(const Quads (&x)[3], const Quads (&w)[3], I sum) {
    const __m512i pairs =
        _mm512_add_epi16(_mm512_add_epi16(_mm512_maddubs_epi16(x[0], w[0]), _mm512_maddubs_epi16(x[1], w[1])),
                         _mm512_maddubs_epi16(x[2], w[2]));
    return sum + (I)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}
#endif
MF_INLINE void store_bytes(std::uint8_t* p, V v) {
    const V clamped = _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(255.5f));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(clamped)));
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
