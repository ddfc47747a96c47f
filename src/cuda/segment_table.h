// Where the boxes of each segment are, and how many come before them: what lets one block work on one segment without
// knowing the others. For nvcc only.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

// Segments whose counts are also summed up by one number, so that adding up those before a segment stays short.
inline constexpr int kSegmentChunk = 1024;

// Numbers that start from 0 and that any block may raise: sums and maxima do not depend on the order.
struct SegmentCounts {
    uint32_t* each;    // (segments)
    uint32_t* chunks;  // (segments / kSegmentChunk, rounded up)

    __device__ __forceinline__ void add(int32_t segment, uint32_t number) const {
        atomicAdd(each + segment, number);
        atomicAdd(chunks + segment / kSegmentChunk, number);
    }

    // Sum over the segments before `segment`. The whole block must call it; `warp_sums` has a number for each warp.
    template <int threads>
    __device__ __forceinline__ uint32_t before(int32_t segment, uint32_t (&warp_sums)[threads / kWarp]) const {
        const int32_t chunk = segment / kSegmentChunk;
        uint32_t sum = 0;
        for (int32_t i = static_cast<int32_t>(threadIdx.x); i < chunk; i += threads) sum += chunks[i];
        for (int32_t i = chunk * kSegmentChunk + static_cast<int32_t>(threadIdx.x); i < segment; i += threads) {
            sum += each[i];
        }
        for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(kWholeWarp, sum, lanes);
        if (threadIdx.x % kWarp == 0) warp_sums[threadIdx.x / kWarp] = sum;
        __syncthreads();
        sum = 0;
        for (const uint32_t part : warp_sums) sum += part;
        __syncthreads();
        return sum;
    }
};

struct SegmentTable {
    int32_t* from_end;  // (segments) capacity less the index of the first box: a maximum, and 0 where there is no box
    int32_t* ends;      // (segments) index after the last box
    SegmentCounts boxes;
    SegmentCounts kept;
};

}  // namespace mtcnn_fast::cuda
