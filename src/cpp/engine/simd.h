// The instruction set that a translation unit's kernels are built for: kernels_<isa>.cpp names its file, one of
// simd/*.h, by MF_SIMD. Each of them defines, and nothing else in the engine depends on the processor:
//
//   V, kLanes           a vector of floats and their number
//   kTile               pixels of a register tile of kTile x 2 vectors, as many as the registers hold beside the inputs
//   load, store         kLanes floats in memory, of any alignment
//   set1(x)             x in all lanes
//   in_register(v)      v; where it matters, the compiler may not read it from memory again for each of its uses
//   fma(a, b, c)        a * b + c, fused where the processor can; fnma(a, b, c) = c - a * b likewise
//   max(a, b)           the larger of two numbers
//   prelu(x, slope)     x where it is above 0, else x * slope
//   first_lanes(n, a, b)     a in the first n lanes, b in the others; n may be 0 to kLanes
//   lanes_at_least(a, b)     bit i says whether lane i of a is at least that of b
//   lane_sums(v)        lane i is the sum of the lanes of v[i], i < kLanes; may change v
//   U16                 2 * kLanes numbers of 16 bits
//   load_bytes(p)       2 * kLanes bytes as U16
//   normalise_to_planes<kStep>(sums, more, inverse, r, g, b)     planes_by_pixel of simd_common.h on sums of 16 bits
//
// and, for networks of bytes:
//
//   I                   kLanes integers of 32 bits
//   kByteTile           pixels of a register tile of kByteTile x 2 vectors
//   Quads               four bytes a lane
//   load_quads(p), spread_quad(p)     4 * kLanes bytes; the same four in every lane
//   dot(x, w, sum)      sum + the twelve products a lane of three Quads of unsigned and three of signed bytes. Only a
//                       pair of bytes is added at once, so that the three pairs must fit 16 bits
//   store_bytes(p, v)   kLanes numbers of at least -2^31, clamped to [0, 255.5] and truncated
#pragma once

#ifndef MF_SIMD
#error "Only for the kernels' translation units: define MF_ISA and MF_SIMD first"
#endif
#include MF_SIMD

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

MF_INLINE V zero() { return set1(0.0f); }

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
