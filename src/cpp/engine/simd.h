// The vector type of one instruction set and the few operations the kernels need. Included only by the kernels'
// translation units, each of which defines MF_ISA (a namespace name) and is compiled for that instruction set.
// Everything here is force-inlined and lives in that namespace, so that no body compiled for a newer CPU can be picked
// by the linker for an older one.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#error "no vector instruction set for this target: build with MTCNN_FAST_NATIVE=off"
#endif

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

#if defined(__AVX512F__)
using V = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kTile = 12;  // pixels of a register tile: 12 x 2 accumulators of 32 registers
MF_INLINE V load(const float* p) { return _mm512_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm512_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm512_set1_ps(x); }
MF_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
MF_INLINE V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
MF_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
MF_INLINE V prelu(V x, V slope) {
    return _mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NGT_UQ), x, slope);
}
MF_INLINE V first_lanes(int n, V a, V b) { return _mm512_mask_blend_ps(static_cast<__mmask16>((1u << n) - 1u), b, a); }
MF_INLINE unsigned lanes_at_least(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
#elif defined(__AVX2__)
using V = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kTile = 6;  // 6 x 2 accumulators of 16 registers
MF_INLINE V load(const float* p) { return _mm256_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm256_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm256_set1_ps(x); }
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
#elif defined(__SSE2__)
using V = __m128;
inline constexpr int kLanes = 4;
inline constexpr int kTile = 6;  // 6 x 2 accumulators of 16 registers
MF_INLINE V load(const float* p) { return _mm_loadu_ps(p); }
MF_INLINE void store(float* p, V v) { _mm_storeu_ps(p, v); }
MF_INLINE V set1(float x) { return _mm_set1_ps(x); }
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
#else
using V = float32x4_t;
inline constexpr int kLanes = 4;
inline constexpr int kTile = 12;  // 12 x 2 accumulators of 32 registers
MF_INLINE V load(const float* p) { return vld1q_f32(p); }
MF_INLINE void store(float* p, V v) { vst1q_f32(p, v); }
MF_INLINE V set1(float x) { return vdupq_n_f32(x); }
MF_INLINE V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
MF_INLINE V fnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }
MF_INLINE V max(V a, V b) { return vmaxq_f32(a, b); }
MF_INLINE V prelu(V x, V slope) { return vbslq_f32(vcgtq_f32(x, vdupq_n_f32(0.0f)), x, vmulq_f32(x, slope)); }
MF_INLINE V first_lanes(int n, V a, V b) {
    const int32_t lane[4] = {0, 1, 2, 3};
    return vbslq_f32(vcltq_s32(vld1q_s32(lane), vdupq_n_s32(n)), a, b);
}
MF_INLINE unsigned lanes_at_least(V a, V b) {
    const uint32_t bit[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgeq_f32(a, b), vld1q_u32(bit)));
}
#endif

MF_INLINE V zero() { return set1(0.0f); }

// A four-lane vector, the same on every instruction set: for transposes and for pixels of three channels.
#if defined(__SSE2__)
using V4 = __m128;
MF_INLINE V4 load4(const float* p) { return _mm_loadu_ps(p); }
MF_INLINE V4 set4(float x) { return _mm_set1_ps(x); }
MF_INLINE void store4(float* p, V4 v) { _mm_storeu_ps(p, v); }
MF_INLINE void transpose4(V4& a, V4& b, V4& c, V4& d) { _MM_TRANSPOSE4_PS(a, b, c, d); }
#else
using V4 = float32x4_t;
MF_INLINE V4 load4(const float* p) { return vld1q_f32(p); }
MF_INLINE V4 set4(float x) { return vdupq_n_f32(x); }
MF_INLINE void store4(float* p, V4 v) { vst1q_f32(p, v); }
MF_INLINE void transpose4(V4& a, V4& b, V4& c, V4& d) {
    const float32x4x2_t ab = vtrnq_f32(a, b);
    const float32x4x2_t cd = vtrnq_f32(c, d);
    a = vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0]));
    b = vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1]));
    c = vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0]));
    d = vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1]));
}
#endif

// Lane i of the result is the sum of the lanes of v[i]: a transposing reduction, kLanes vectors into one.
#if defined(__AVX512F__)
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
#elif defined(__AVX2__)
MF_INLINE V lane_sums(V* v) {
    const V a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    const V b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
#else
MF_INLINE V lane_sums(V* v) {
    transpose4(v[0], v[1], v[2], v[3]);
    return (v[0] + v[1]) + (v[2] + v[3]);
}
#endif

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
