#pragma once

#include "common/overlap.h"
#include "cuda/select.h"
#include "cuda/sort_keys.h"

namespace mtcnn_fast::cuda {

// More boxes than this would not fit the 32-bit indices of the sort with room for its padding.
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

// What is enough for one pass over lists of up to some ten thousand boxes, and for several over longer ones.
size_t batched_nms_workspace_size(int64_t capacity, int32_t segment_count);

// Greedy NMS within segments, all on the device. Boxes with a NaN score, or a segment out of range, are never kept. A
// smaller workspace than batched_nms_workspace_size says means more passes; if it is too small for one row of 64 boxes,
// std::invalid_argument is thrown.
void batched_nms(const NmsArguments& arguments, void* workspace, size_t workspace_size, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
