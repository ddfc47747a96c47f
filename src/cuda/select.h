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
    int32_t* overflow;  // set to 1 if more than `capacity` were selected, else left alone; null: not wanted
    int64_t capacity;
};

// Exclusive prefix sums of counts[0 .. chunks), in place, and the total. Defined in select.cu.
void scan_chunks(int32_t* counts, int64_t chunks, const SelectOutput& output, cudaStream_t stream);

// A Selector has `bool take(int64_t item) const` and `void put(int64_t item, int64_t slot) const`.
template <typename Selector>
__global__ void __launch_bounds__(kSelectThreads) select_count_kernel(Selector selector, int32_t* counts) {
    __shared__ int32_t warp_counts[kSelectThreads / kWarp];
    const int64_t base = int64_t{blockIdx.x} * kSelectChunk + threadIdx.x;
    int32_t count = 0;
    for (int round = 0; round < kSelectRounds; ++round) {
        count += __popc(__ballot_sync(kWholeWarp, selector.take(base + round * kSelectThreads)));
    }
    if (threadIdx.x % kWarp == 0) warp_counts[threadIdx.x / kWarp] = count;
    __syncthreads();
    if (threadIdx.x != 0) return;
    count = 0;
    for (const int32_t part : warp_counts) count += part;
    counts[blockIdx.x] = count;
}

template <typename Selector>
__global__ void __launch_bounds__(kSelectThreads)
    select_scatter_kernel(Selector selector, const int32_t* offsets, int64_t capacity) {
    __shared__ int32_t warp_counts[kSelectRounds][kSelectThreads / kWarp];
    const int64_t base = int64_t{blockIdx.x} * kSelectChunk + threadIdx.x;
    const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
    unsigned taken[kSelectRounds];
    for (int round = 0; round < kSelectRounds; ++round) {
        taken[round] = __ballot_sync(kWholeWarp, selector.take(base + round * kSelectThreads));
        if (lane == 0) warp_counts[round][warp] = __popc(taken[round]);
    }
    __syncthreads();
    int64_t slot = offsets[blockIdx.x];
    for (int round = 0; round < kSelectRounds; ++round) {
        for (int other = 0; other < kSelectThreads / kWarp; ++other) {
            if (other == warp && taken[round] >> lane & 1) {
                const int64_t mine = slot + __popc(taken[round] & ((1u << lane) - 1));
                if (mine < capacity) selector.put(base + round * kSelectThreads, mine);
            }
            slot += warp_counts[round][other];
        }
    }
}

// `chunk_counts` is workspace for select_chunks(items) numbers.
template <typename Selector>
void select(const char* kernel, const std::string& shapes, const Selector& selector, int64_t items,
            int32_t* chunk_counts, const SelectOutput& output, cudaStream_t stream) {
    const int64_t chunks = select_chunks(items);
    const Launch how{kernel, shapes, dim3(static_cast<unsigned>(chunks)), kSelectThreads, stream};
    launch(how, select_count_kernel<Selector>, selector, chunk_counts);
    scan_chunks(chunk_counts, chunks, output, stream);
    launch(how, select_scatter_kernel<Selector>, selector, chunk_counts, output.capacity);
}

}  // namespace mtcnn_fast::cuda
