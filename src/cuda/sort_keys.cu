#include "cuda/sort_keys.h"

namespace mtcnn_fast::cuda {
namespace {

constexpr int kSortThreads = 512;
constexpr int kMergeThreads = 256;

// Indices differ, so the order is total, and any correct sort gives the same result.
__device__ __forceinline__ bool before(uint64_t key_a, uint32_t index_a, uint64_t key_b, uint32_t index_b) {
    return key_a != key_b ? key_a < key_b : index_a < index_b;
}

__device__ __forceinline__ uint64_t make_key(const SortInput& input, int64_t i) {
    const int64_t used = input.count == nullptr ? input.capacity : *input.count;
    if (i >= used || i >= input.capacity) return kNoKey;
    const int32_t segment = input.segments == nullptr ? 0 : input.segments[i];
    return segment < input.segment_count ? score_key(segment, input.scores[i]) : kNoKey;
}

// Bitonic sort of one tile: makes the keys, sorts them in shared memory, writes them out.
__global__ void __launch_bounds__(kSortThreads) sort_tile_kernel(SortInput input, uint64_t* keys, uint32_t* indices) {
    __shared__ uint64_t tile_keys[kSortTile];
    __shared__ uint32_t tile_indices[kSortTile];
    const int64_t base = int64_t{blockIdx.x} * kSortTile;
    for (int i = static_cast<int>(threadIdx.x); i < kSortTile; i += kSortThreads) {
        tile_keys[i] = make_key(input, base + i);
        tile_indices[i] = static_cast<uint32_t>(base + i);
    }
    for (int run = 2; run <= kSortTile; run *= 2) {
        for (int gap = run / 2; gap > 0; gap /= 2) {
            __syncthreads();
            for (int pair = static_cast<int>(threadIdx.x); pair < kSortTile / 2; pair += kSortThreads) {
                const int low = pair / gap * 2 * gap + pair % gap, high = low + gap;
                const bool ascending = (low & run) == 0;
                if (before(tile_keys[high], tile_indices[high], tile_keys[low], tile_indices[low]) == ascending) {
                    const uint64_t key = tile_keys[low];
                    const uint32_t index = tile_indices[low];
                    tile_keys[low] = tile_keys[high];
                    tile_indices[low] = tile_indices[high];
                    tile_keys[high] = key;
                    tile_indices[high] = index;
                }
            }
        }
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kSortTile; i += kSortThreads) {
        keys[base + i] = tile_keys[i];
        indices[base + i] = tile_indices[i];
    }
}

struct Run {
    const uint64_t* keys;
    const uint32_t* indices;
};

// Merges runs of `run` items pairwise: an item's place is its rank in its own run plus its rank in the other.
__global__ void __launch_bounds__(kMergeThreads)
    merge_runs_kernel(Run from, uint64_t* keys, uint32_t* indices, int64_t length, int64_t run) {
    const int64_t i = int64_t{blockIdx.x} * kMergeThreads + threadIdx.x;
    if (i >= length) return;
    const uint64_t key = from.keys[i];
    const uint32_t index = from.indices[i];
    const int64_t number = i / run, other_begin = (number ^ 1) * run;
    int64_t low = other_begin < length ? other_begin : length;
    int64_t high = other_begin + run < length ? other_begin + run : length;
    const int64_t begin = low;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (before(from.keys[middle], from.indices[middle], key, index)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const int64_t place = number / 2 * 2 * run + i % run + (low - begin);
    keys[place] = key;
    indices[place] = index;
}

}  // namespace

int sort_by_score(const SortInput& input, const SortBuffers& buffers, cudaStream_t stream) {
    const int64_t length = sort_length(input.capacity);
    const std::string shapes = std::to_string(input.capacity) + " items";
    launch({"sort_tile", shapes, dim3(static_cast<unsigned>(length / kSortTile)), kSortThreads, stream},
           sort_tile_kernel, input, buffers.keys[0], buffers.indices[0]);
    int current = 0;
    const dim3 grid(static_cast<unsigned>(divide_up<int64_t>(length, kMergeThreads)));
    for (int64_t run = kSortTile; run < length; run *= 2) {
        launch({"merge_runs", shapes, grid, kMergeThreads, stream}, merge_runs_kernel,
               Run{buffers.keys[current], buffers.indices[current]}, buffers.keys[1 - current],
               buffers.indices[1 - current], length, run);
        current = 1 - current;
    }
    return current;
}

}  // namespace mtcnn_fast::cuda
