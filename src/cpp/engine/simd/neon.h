// Advanced SIMD of AArch64. simd.h lists what each of these files defines.
#pragma once

#include <arm_neon.h>

#include "cpp/engine/simd/bytes_of_4.h"
#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

using V = float32x4_t;
inline constexpr int kLanes = 4;
inline constexpr int kTile = 12;  // 12 x 2 accumulators of 32 registers
MF_INLINE V load(const float* p) { return vld1q_f32(p); }
MF_INLINE void store(float* p, V v) { vst1q_f32(p, v); }
MF_INLINE V set1(float x) { return vdupq_n_f32(x); }
MF_INLINE V in_register(V v) { return v; }
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

MF_INLINE V lane_sums(V* v) { return vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])); }

typedef std::uint16_t U16 __attribute__((vector_size(16)));
MF_INLINE U16 load_bytes(const std::uint8_t* p) { return __builtin_convertvector(load_as<U8x8>(p), U16); }

template <int kStep>
MF_INLINE void normalise_to_planes(const U16x8* sums, unsigned more, const float* inverse, float* r, float* g,
                                   float* b) {
    planes_by_pixel<kStep>(sums, more, inverse, r, g, b);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
