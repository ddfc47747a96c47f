// Sorting by (segment, score descending, index): the order of greedy NMS within segments.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "common/hd.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

// Sorts behind every real key: an item that takes no part.
inline constexpr uint64_t kNoKey = ~uint64_t{0};
inline constexpr uint32_t kNoSegment = 0xffffffffu;

// Segment above, score below, such that ascending keys are descending scores. NaN takes no part; both zeros are equal.
MF_HD uint64_t score_key(int32_t segment, float score) {
    if (segment < 0 || score != score) return kNoKey;
    const float canonical = score == 0.0f ? 0.0f : score;
    uint32_t bits;
    __builtin_memcpy(&bits, &canonical, sizeof(bits));
    // IEEE numbers order like sign and magnitude: make that an unsigned order, then turn it around.
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return static_cast<uint64_t>(static_cast<uint32_t>(segment)) << 32 | static_cast<uint32_t>(~ascending);
}

MF_HD uint32_t key_segment(uint64_t key) { return static_cast<uint32_t>(key >> 32); }

// Items are sorted in tiles of this size in shared memory, then tiles are merged pairwise.
inline constexpr int kSortTile = 2048;

inline int64_t sort_length(int64_t items) { return divide_up<int64_t>(items, kSortTile) * kSortTile; }

// A pair of arrays that the merges write to in turn.
struct SortBuffers {
    uint64_t* keys[2];
    uint32_t* indices[2];
};

// Keys of a list of boxes whose length may live on the device.
struct SortInput {
    const float* scores;
    const int32_t* segments;  // in [0, segment_count); anything else takes no part. Null: all 0
    int32_t segment_count;
    const int32_t* count;  // items in use, in device memory; null: all
    int64_t capacity;
};

// Sorts and returns which of the two buffers, each of sort_length(capacity), holds the result; items that take no part
// come last.
int sort_by_score(const SortInput& input, const SortBuffers& buffers, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
