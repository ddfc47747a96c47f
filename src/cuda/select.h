// Stable selection: the items that a predicate takes, in their order, without communication between blocks, so that the
// result depends on nothing but the input. Three launches: count, scan, scatter.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

inline constexpr int kSelectThreads = 256;
inline constexpr int kSelectRounds = 4;
// Items of one block; item i of chunk c has the number c * kSelectChunk + i.
inline constexpr int kSelectChunk = kSelectThreads * kSelectRounds;
inline constexpr int kScanThreads = 1024;

inline int64_t select_chunks(int64_t items) { return divide_up<int64_t>(items, kSelectChunk); }

// Where the number of selected items goes, and what happens if they are too many.
struct SelectOutput {
    int32_t* count;     // min(selected, capacity)
    int32_t* selected;  // how many were selected, those beyond the capacity included
    int64_t capacity;
    bool append = false;  // after the `count` items that are there already, in place of from the beginning
};

// Exclusive prefix sums of counts[0 .. chunks), in place, and the total. To append needs at least one chunk. Defined in
// select.cu.
void scan_chunks(int32_t* counts, int64_t chunks, const SelectOutput& output, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
