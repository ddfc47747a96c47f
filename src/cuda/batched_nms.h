#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "common/overlap.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

// Longest list: indices and their sums fit 32 bits with room to spare.
inline constexpr int64_t kMaxBoxes = int64_t{1} << 26;

struct NmsArguments {
    const Box* boxes;         // (capacity)
    const float* scores;      // (capacity)
    const int32_t* segments;  // (capacity) in [0, segment_count): boxes of different segments ignore each other
    int32_t segment_count;
    const int32_t* count;  // boxes in use, in device memory; null: all
    int64_t capacity;
    float threshold;  // a box is dropped if its overlap with a kept one is greater; at least 0
    Overlap mode;
    int64_t* kept;        // (capacity) indices: by segment, then score descending, then index
    int32_t* kept_count;  // how many
};

size_t batched_nms_workspace_size(int64_t capacity, int32_t segment_count);

// Greedy NMS within segments, all on the device: three launches, whose blocks grow with the capacity and the segments.
// Boxes with a NaN score, or a segment out of range, are never kept. The boxes of a segment need not be adjacent, but
// the work of a segment grows with the length of the list from its first box to its last.
void batched_nms(const NmsArguments& arguments, void* workspace, size_t workspace_size, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
