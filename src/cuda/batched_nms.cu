// One block a segment, since the boxes of a segment are few: it sorts them by score in shared memory and decides 64 at
// a time, against the boxes that it has kept and among themselves. No matrix of overlaps is stored. Segments that
// exceed the shared memory are sorted through tiles in the workspace, by the same block.
#include "cuda/batched_nms.h"

#include "cuda/segment_table.h"

namespace mtcnn_fast::cuda {
namespace {

constexpr int kFindThreads = 256;
constexpr int kCopyThreads = 256;
constexpr int kThreads = 512;
constexpr int kGroup = 64;                   // boxes that are decided together
constexpr int kSharers = kThreads / kGroup;  // adjacent threads that test one box
constexpr int kTile = 2048;                  // keys that fit the shared memory
constexpr int kDecisionThread = 0;

// Behind every real key.
constexpr uint64_t kNoKey = ~uint64_t{0};

struct List {
    const Box* boxes;
    const float* scores;
    const int32_t* segments;  // null: all 0
    int32_t segment_count;
    const int32_t* count;  // null: all
    int64_t capacity;

    // -1 for an item that takes no part.
    __device__ __forceinline__ int32_t segment_of(int64_t i) const {
        if (i < 0 || i >= capacity || (count != nullptr && i >= *count)) return -1;
        const int32_t segment = segments == nullptr ? 0 : segments[i];
        return segment >= 0 && segment < segment_count ? segment : -1;
    }
};

struct Workspaces {
    uint32_t* zeroed;  // the tables of segments, which start from 0
    size_t zeroed_bytes;
    SegmentTable segments;
    uint64_t* keys[2];  // (capacity) of segments that exceed the shared memory; sorted from one into the other
    Box* kept_boxes;    // (capacity) by segment, as `kept`
    uint32_t* kept;     // (capacity) indices by segment: a segment's begin where as many boxes have come before
    size_t bytes;
};

Workspaces lay_out(void* base, int64_t capacity, int32_t segment_count) {
    Workspace pieces(base);
    Workspaces w{};
    const int64_t segments = segment_count, chunks = divide_up<int64_t>(segments, kSegmentChunk);
    const int64_t zeroed = 4 * segments + 2 * chunks;
    w.zeroed = pieces.take<uint32_t>(zeroed);
    w.zeroed_bytes = static_cast<size_t>(zeroed) * sizeof(uint32_t);
    if (w.zeroed != nullptr) {
        uint32_t* const columns = w.zeroed + 2 * segments;
        w.segments.from_end = reinterpret_cast<int32_t*>(w.zeroed);
        w.segments.ends = reinterpret_cast<int32_t*>(w.zeroed + segments);
        w.segments.boxes = {columns, columns + 2 * segments};
        w.segments.kept = {columns + segments, columns + 2 * segments + chunks};
    }
    for (uint64_t*& keys : w.keys) keys = pieces.take<uint64_t>(capacity);
    w.kept_boxes = pieces.take<Box>(capacity);
    w.kept = pieces.take<uint32_t>(capacity);
    w.bytes = pieces.used();
    return w;
}

// Score above, index below, such that ascending keys are descending scores and, of equal ones, ascending indices: a
// total order. Both zeros are equal.
__device__ __forceinline__ uint64_t make_key(float score, uint32_t index) {
    const uint32_t bits = __float_as_uint(score == 0.0f ? 0.0f : score);
    // IEEE numbers order like sign and magnitude: make that an unsigned order, then turn it around.
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return uint64_t{~ascending} << 32 | index;
}

// Raises the counts where runs of one segment begin and end; modulo 2**32, the differences add up to the boxes.
__global__ void __launch_bounds__(kFindThreads) nms_find_segments_kernel(List list, SegmentTable table) {
    const int64_t i = int64_t{blockIdx.x} * kFindThreads + threadIdx.x;
    const int32_t segment = list.segment_of(i);
    if (segment < 0) return;
    if (list.segment_of(i - 1) != segment) {
        atomicMax(table.from_end + segment, static_cast<int32_t>(list.capacity - i));
        table.boxes.add(segment, 0u - static_cast<uint32_t>(i));
    }
    if (list.segment_of(i + 1) != segment) {
        atomicMax(table.ends + segment, static_cast<int32_t>(i + 1));
        table.boxes.add(segment, static_cast<uint32_t>(i + 1));
    }
}

// Writes the keys of the segment's boxes in any order and returns how many: boxes with a NaN score have none.
__device__ __forceinline__ uint32_t collect_keys(const List& list, const SegmentTable& table, int32_t segment,
                                                 uint64_t* keys, uint32_t& counter) {
    if (threadIdx.x == 0) counter = 0;
    __syncthreads();
    const int64_t begin = list.capacity - table.from_end[segment], end = table.ends[segment];
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
        if (list.segment_of(i) != segment) continue;
        const float score = list.scores[i];
        if (score == score) keys[atomicAdd(&counter, 1u)] = make_key(score, static_cast<uint32_t>(i));
    }
    __syncthreads();
    return counter;
}

// Bitonic sort of the first `count` keys in shared memory; the rest of `tile` up to a power of two is overwritten.
__device__ __forceinline__ void sort_tile(uint64_t (&tile)[kTile], uint32_t count) {
    uint32_t length = 2;
    while (length < count) length *= 2;
    for (uint32_t i = count + threadIdx.x; i < length; i += kThreads) tile[i] = kNoKey;
    for (uint32_t run = 2; run <= length; run *= 2) {
        for (uint32_t gap = run / 2; gap > 0; gap /= 2) {
            __syncthreads();
            for (uint32_t pair = threadIdx.x; pair < length / 2; pair += kThreads) {
                const uint32_t low = pair / gap * 2 * gap + pair % gap, high = low + gap;
                const uint64_t a = tile[low], b = tile[high];
                if ((b < a) == ((low & run) == 0)) {
                    tile[low] = b;
                    tile[high] = a;
                }
            }
        }
    }
    __syncthreads();
}

// Merges sorted runs pairwise: a key's place is its rank in its own run plus its rank in the other.
__device__ __forceinline__ void merge_runs(const uint64_t* from, uint64_t* to, uint32_t count, uint32_t run) {
    for (uint32_t i = threadIdx.x; i < count; i += kThreads) {
        const uint64_t key = from[i];
        const uint32_t number = i / run, other = (number ^ 1) * run;
        const uint32_t begin = other < count ? other : count;
        uint32_t low = begin, high = count - begin < run ? count : begin + run;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (from[middle] < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        to[number / 2 * 2 * run + i % run + (low - begin)] = key;
    }
    __syncthreads();
}

// Sorts `count` keys in global memory and returns which of the two arrays holds them.
__device__ __forceinline__ const uint64_t* sort_through_tiles(uint64_t* keys, uint64_t* other, uint32_t count,
                                                              uint64_t (&tile)[kTile]) {
    for (uint32_t first = 0; first < count; first += kTile) {
        const uint32_t length = count - first < kTile ? count - first : kTile;
        for (uint32_t i = threadIdx.x; i < length; i += kThreads) tile[i] = keys[first + i];
        sort_tile(tile, length);
        for (uint32_t i = threadIdx.x; i < length; i += kThreads) keys[first + i] = tile[i];
        __syncthreads();
    }
    for (uint32_t run = kTile; run < count; run *= 2) {
        merge_runs(keys, other, count, run);
        uint64_t* const sorted = other;
        other = keys;
        keys = sorted;
    }
    return keys;
}

__device__ __forceinline__ bool suppresses(const Box& kept, const Box& box, float threshold, Overlap mode) {
    // Most pairs share nothing and need no division.
    return intersection(kept, box, mode) > 0.0f &&
           overlaps(kept, box_area(kept, mode), box, box_area(box, mode), threshold, mode);
}

struct Group {
    Box boxes[kGroup];
    uint32_t indices[kGroup];
    uint64_t overlaps[kGroup];  // bit j: the box overlaps the later box j of the group
    uint8_t dropped[kGroup];    // a box that was kept before overlaps it
    uint64_t kept;              // as bits
};

// Finds what each box of the group overlaps, and whether a kept one overlaps it.
__device__ __forceinline__ void test_group(Group& group, uint32_t size, const Box* kept, uint32_t kept_count,
                                           float threshold, Overlap mode) {
    const uint32_t member = threadIdx.x / kSharers, sharer = threadIdx.x % kSharers;
    unsigned dropped = member >= size;
    uint64_t bits = 0;
    if (!dropped) {
        const Box mine = group.boxes[member];
        for (uint32_t k = sharer; k < kept_count && !dropped; k += kSharers) {
            dropped = suppresses(kept[k], mine, threshold, mode);
        }
        for (uint32_t j = member + 1 + sharer; j < size; j += kSharers) {
            if (suppresses(mine, group.boxes[j], threshold, mode)) bits |= uint64_t{1} << j;
        }
    }
    for (int lanes = kSharers / 2; lanes > 0; lanes /= 2) {
        dropped |= __shfl_xor_sync(kWholeWarp, dropped, lanes);
        bits |= __shfl_xor_sync(kWholeWarp, static_cast<unsigned long long>(bits), lanes);
    }
    if (sharer == 0) {
        group.overlaps[member] = bits;
        group.dropped[member] = static_cast<uint8_t>(dropped);
    }
}

// Greedy choice within the group: of those that are left, the first one stays and drops what it overlaps.
__device__ __forceinline__ void decide_group(Group& group) {
    if (threadIdx.x >= kWarp) return;
    const unsigned low = __ballot_sync(kWholeWarp, group.dropped[threadIdx.x] == 0);
    const unsigned high = __ballot_sync(kWholeWarp, group.dropped[threadIdx.x + kWarp] == 0);
    if (threadIdx.x != kDecisionThread) return;
    uint64_t left = uint64_t{high} << 32 | low, kept = 0;
    while (left != 0) {
        const int first = __ffsll(static_cast<long long>(left)) - 1;
        kept |= uint64_t{1} << first;
        left &= ~(group.overlaps[first] | uint64_t{1} << first);
    }
    group.kept = kept;
}

// Greedy NMS over keys in order of score; returns how many boxes are kept, whose boxes and indices it writes.
__device__ __forceinline__ uint32_t suppress(const List& list, const uint64_t* keys, uint32_t count, Group& group,
                                             Box* kept_boxes, uint32_t* kept_indices, float threshold, Overlap mode) {
    uint32_t kept_count = 0;
    for (uint32_t first = 0; first < count; first += kGroup) {
        const uint32_t size = count - first < kGroup ? count - first : kGroup, i = threadIdx.x;
        if (i < size) {
            group.indices[i] = static_cast<uint32_t>(keys[first + i]);
            group.boxes[i] = list.boxes[group.indices[i]];
        }
        __syncthreads();
        test_group(group, size, kept_boxes, kept_count, threshold, mode);
        __syncthreads();
        decide_group(group);
        __syncthreads();
        const uint64_t kept = group.kept;
        if (i < kGroup && kept >> i & 1) {
            const uint32_t place = kept_count + __popcll(kept & ((uint64_t{1} << i) - 1));
            kept_boxes[place] = group.boxes[i];
            kept_indices[place] = group.indices[i];
        }
        kept_count += __popcll(kept);
    }
    return kept_count;
}

__global__ void __launch_bounds__(kThreads)
    nms_suppress_kernel(List list, Workspaces w, float threshold, Overlap mode) {
    __shared__ uint64_t tile[kTile];
    __shared__ Group group;
    __shared__ uint32_t counter;
    __shared__ uint32_t warp_sums[kThreads / kWarp];
    const int32_t segment = static_cast<int32_t>(blockIdx.x);
    const uint32_t most = w.segments.boxes.each[segment];
    if (most == 0) return;
    const uint32_t place = w.segments.boxes.before<kThreads>(segment, warp_sums);
    const bool fits = most <= kTile;
    uint64_t* const keys = fits ? tile : w.keys[0] + place;
    const uint32_t count = collect_keys(list, w.segments, segment, keys, counter);
    const uint64_t* sorted = keys;
    if (fits) {
        sort_tile(tile, count);
    } else {
        sorted = sort_through_tiles(keys, w.keys[1] + place, count, tile);
    }
    const uint32_t kept = suppress(list, sorted, count, group, w.kept_boxes + place, w.kept + place, threshold, mode);
    if (threadIdx.x == 0) w.segments.kept.add(segment, kept);
}

// Moves the indices that each segment keeps next to each other.
__global__ void __launch_bounds__(kCopyThreads)
    nms_copy_kept_kernel(Workspaces w, int32_t segment_count, int64_t* kept, int32_t* kept_count) {
    __shared__ uint32_t warp_sums[kCopyThreads / kWarp];
    const int32_t segment = static_cast<int32_t>(blockIdx.x);
    const uint32_t count = w.segments.kept.each[segment];
    const bool last = segment == segment_count - 1;
    if (count == 0 && !last) return;
    const uint32_t from = w.segments.boxes.before<kCopyThreads>(segment, warp_sums);
    const uint32_t to = w.segments.kept.before<kCopyThreads>(segment, warp_sums);
    for (uint32_t k = threadIdx.x; k < count; k += kCopyThreads) kept[to + k] = w.kept[from + k];
    if (last && threadIdx.x == 0) *kept_count = static_cast<int32_t>(to + count);
}

void check_arguments(const NmsArguments& a, const void* workspace, size_t workspace_size) {
    require(a.capacity >= 0 && a.capacity <= kMaxBoxes,
            "boxes: at most " + std::to_string(kMaxBoxes) + " are accepted, got " + std::to_string(a.capacity));
    require(a.segment_count >= 1, "segment_count must be at least 1, got " + std::to_string(a.segment_count));
    require(a.threshold >= 0.0f, "threshold must be at least 0, got " + std::to_string(a.threshold));
    require(a.kept_count != nullptr, "kept_count must be device memory, got a null pointer");
    if (a.capacity == 0) return;
    require(a.boxes != nullptr && a.scores != nullptr && a.kept != nullptr,
            "boxes, scores and kept must be device memory, got a null pointer");
    require(reinterpret_cast<uintptr_t>(workspace) % kAlignment == 0 && workspace != nullptr,
            "workspace must be device memory aligned to " + std::to_string(kAlignment) + " bytes");
    const size_t needed = batched_nms_workspace_size(a.capacity, a.segment_count);
    require(workspace_size >= needed,
            "workspace must have at least " + std::to_string(needed) + " bytes, got " + std::to_string(workspace_size));
}

}  // namespace

size_t batched_nms_workspace_size(int64_t capacity, int32_t segment_count) {
    if (capacity <= 0) return 0;
    return lay_out(nullptr, capacity, segment_count < 1 ? 1 : segment_count).bytes;
}

void batched_nms(const NmsArguments& a, void* workspace, size_t workspace_size, cudaStream_t stream) {
    check_arguments(a, workspace, workspace_size);
    const std::string shapes = std::to_string(a.capacity) + " boxes, " + std::to_string(a.segment_count) + " segments";
    const std::string where = "batched_nms (" + shapes + ")";
    if (a.capacity == 0) {
        check(cudaMemsetAsync(a.kept_count, 0, sizeof(int32_t), stream), where);
        return;
    }
    const Workspaces w = lay_out(workspace, a.capacity, a.segment_count);
    check(cudaMemsetAsync(w.zeroed, 0, w.zeroed_bytes, stream), where);
    const List list{a.boxes, a.scores, a.segments, a.segment_count, a.count, a.capacity};
    const dim3 by_boxes(static_cast<unsigned>(divide_up<int64_t>(a.capacity, kFindThreads)));
    const dim3 by_segments(static_cast<unsigned>(a.segment_count));
    launch({"nms_find_segments", shapes, by_boxes, kFindThreads, stream}, nms_find_segments_kernel, list, w.segments);
    launch({"nms_suppress", shapes, by_segments, kThreads, stream}, nms_suppress_kernel, list, w, a.threshold, a.mode);
    launch({"nms_copy_kept", shapes, by_segments, kCopyThreads, stream}, nms_copy_kept_kernel, w, a.segment_count,
           a.kept, a.kept_count);
}

}  // namespace mtcnn_fast::cuda
