// The kernels of a stable selection, for one kind of items. For nvcc only: select.h is what other sources need.
#pragma once

#include "cuda/select.h"

namespace mtcnn_fast::cuda {

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
    __shared__ unsigned taken[kSelectRounds][kSelectThreads / kWarp];
    const int64_t base = int64_t{blockIdx.x} * kSelectChunk + threadIdx.x;
    const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
    for (int round = 0; round < kSelectRounds; ++round) {
        const unsigned ballot = __ballot_sync(kWholeWarp, selector.take(base + round * kSelectThreads));
        if (lane == 0) taken[round][warp] = ballot;
    }
    __syncthreads();
    int64_t slot = offsets[blockIdx.x];
    // Unrolled, the code of `put` would be there once a round and its registers would spill.
    MF_NO_UNROLL
    for (int round = 0; round < kSelectRounds; ++round) {
        const unsigned mine = taken[round][warp];
        int64_t place = slot + __popc(mine & ((1u << lane) - 1));
        for (int other = 0; other < kSelectThreads / kWarp; ++other) {
            const int count = __popc(taken[round][other]);
            if (other < warp) place += count;
            slot += count;
        }
        if (mine >> lane & 1 && place < capacity) selector.put(base + round * kSelectThreads, place);
    }
}

// `chunk_counts` is workspace for select_chunks(items) numbers.
template <typename Selector>
void select(const char* kernel, const std::string& shapes, const Selector& selector, int64_t items,
            int32_t* chunk_counts, const SelectOutput& output, cudaStream_t stream) {
    if (output.append && items == 0) return;
    const int64_t chunks = select_chunks(items);
    const Launch how{kernel, shapes, dim3(static_cast<unsigned>(chunks)), kSelectThreads, stream};
    launch(how, select_count_kernel<Selector>, selector, chunk_counts);
    scan_chunks(chunk_counts, chunks, output, stream);
    launch(how, select_scatter_kernel<Selector>, selector, chunk_counts, output.capacity);
}

}  // namespace mtcnn_fast::cuda
