// Products of small matrices by the tensor cores: a warp multiplies 16 x 16 by 16 x 8 numbers of half precision and
// adds to float32. For kernels only.
//
// Of lane = 4 * g + t, as PTX lays out the fragments of mma.m16n8k16 (PTX ISA, Matrix Fragments): `a` has the rows g,
// g + 8, g, g + 8, the first two from column 2 * t, the others from column 2 * t + 8, two numbers each; `b` has column
// g from the rows 2 * t and 2 * t + 8, two numbers each; `sums` has row g from column 2 * t, then row g + 8.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

inline constexpr int kMatrixRows = 16, kMatrixColumns = 8;

// Two numbers in half precision, the first in the lower half.
__device__ __forceinline__ uint32_t pack_halves(float first, float second) {
    const __half2 halves = __floats2half2_rn(first, second);
    return reinterpret_cast<const uint32_t&>(halves);
}

// All lanes of a warp must call it together. It orders no memory accesses.
__device__ __forceinline__ void multiply_add(const uint32_t (&a)[4], uint2 b, float (&sums)[4]) {
#ifndef __CUDACC__
    mf_emulation::multiply_add(MF_SITE, a, &b.x, sums);
#elif __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
#else
    // Turing has half of it.
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b.x));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[2]), "r"(a[3]), "r"(b.y));
#endif
}

}  // namespace mtcnn_fast::cuda
