// Sorted boxes are worked on in slabs of rows: one launch finds whom each row of the slab overlaps, as bits, and the
// next, a block a segment, decides row after row who stays. Slabs bound the memory; all but very long lists have one.
#include "cuda/batched_nms.h"

#include <algorithm>

#include "cuda/select_kernels.h"

namespace mtcnn_fast::cuda {
namespace {

constexpr int kBits = 64;
constexpr int kMaskThreads = 256;
constexpr int kReduceThreads = 256;
constexpr unsigned kMaskColumns = 8;  // blocks that share the words of a row
constexpr int64_t kMaskBytes = int64_t{64} << 20;

// Sorted position -> segment bounds, and the layout of the bit matrix. Row p of a segment (counted within it) uses row
// p % slab, and the segment that begins at sorted position b the columns from b / 64 + segment on, which no other
// segment reaches into.
struct Sorted {
    const uint64_t* keys;
    const uint32_t* indices;
    const Box* boxes;
    const int32_t* begins;  // by segment
    const int32_t* ends;
    int64_t capacity;
    int64_t slab;
    int64_t columns;
};

int64_t mask_columns(int64_t capacity, int32_t segment_count) { return capacity / kBits + segment_count + 1; }

struct Workspaces {
    SortBuffers sort;
    Box* boxes;
    int32_t* begins;
    int32_t* ends;
    uint64_t* mask;     // (slab, columns): bit j of word w: the row overlaps box 64 * w + j of its segment
    uint64_t* removed;  // (columns)
    uint8_t* kept;      // by sorted position
    int32_t* chunks;
    int64_t slab;
    int64_t columns;
    size_t bytes;
};

// Room for `slab` rows of the bit matrix.
Workspaces lay_out(void* base, int64_t capacity, int32_t segment_count, int64_t slab) {
    Workspace pieces(base);
    Workspaces w{};
    const int64_t length = sort_length(capacity);
    for (int i = 0; i < 2; ++i) {
        w.sort.keys[i] = pieces.take<uint64_t>(length);
        w.sort.indices[i] = pieces.take<uint32_t>(length);
    }
    w.columns = mask_columns(capacity, segment_count);
    w.slab = slab;
    w.boxes = pieces.take<Box>(capacity);
    w.begins = pieces.take<int32_t>(2 * int64_t{segment_count});
    w.ends = w.begins == nullptr ? nullptr : w.begins + segment_count;
    w.removed = pieces.take<uint64_t>(w.columns);
    w.kept = pieces.take<uint8_t>(capacity);
    w.chunks = pieces.take<int32_t>(select_chunks(capacity));
    w.mask = pieces.take<uint64_t>(w.slab * w.columns);
    w.bytes = pieces.used();
    return w;
}

// Rows, in whole groups, whose bits fit `bytes`; no more than there are.
int64_t fitting_slab(int64_t bytes, int64_t capacity, int32_t segment_count) {
    const int64_t group = kBits * mask_columns(capacity, segment_count) * int64_t{sizeof(uint64_t)};
    return std::min(bytes / group, divide_up<int64_t>(capacity, kBits)) * kBits;
}

__device__ __forceinline__ uint32_t segment_at(const Sorted& sorted, int64_t i) {
    return i < sorted.capacity ? key_segment(sorted.keys[i]) : kNoSegment;
}

// Gathers the boxes into sorted order and finds where each segment begins and ends.
__global__ void __launch_bounds__(kMaskThreads) gather_sorted_kernel(Sorted sorted, const Box* boxes, Box* sorted_boxes,
                                                                     int32_t* begins, int32_t* ends, uint8_t* kept) {
    const int64_t i = int64_t{blockIdx.x} * kMaskThreads + threadIdx.x;
    if (i >= sorted.capacity) return;
    kept[i] = 0;
    const uint32_t segment = segment_at(sorted, i);
    if (segment == kNoSegment) return;
    sorted_boxes[i] = boxes[sorted.indices[i]];
    if (i == 0 || segment_at(sorted, i - 1) != segment) begins[segment] = static_cast<int32_t>(i);
    if (segment_at(sorted, i + 1) != segment) ends[segment] = static_cast<int32_t>(i + 1);
}

// Bits of the boxes [64 * word, 64 * word + 64) of the segment that come after `row` and overlap it.
__device__ __forceinline__ uint64_t overlap_bits(const Box* boxes, int64_t length, int64_t row, int64_t word,
                                                 float threshold, Overlap mode) {
    const Box mine = boxes[row];
    const float area = box_area(mine, mode);
    const int64_t first = word * kBits, end = first + kBits < length ? first + kBits : length;
    uint64_t bits = 0;
    for (int64_t j = first > row ? first : row + 1; j < end; ++j) {
        const Box other = boxes[j];
        // Most pairs share nothing and need no division.
        if (intersection(mine, other, mode) > 0.0f &&
            overlaps(mine, area, other, box_area(other, mode), threshold, mode)) {
            bits |= uint64_t{1} << (j - first);
        }
    }
    return bits;
}

__global__ void __launch_bounds__(kMaskThreads) mask_kernel(Sorted sorted, int64_t first_row, const uint64_t* removed,
                                                            uint64_t* mask, float threshold, Overlap mode) {
    const int64_t i = int64_t{blockIdx.x} * kMaskThreads + threadIdx.x;
    const uint32_t segment = segment_at(sorted, i);
    if (segment == kNoSegment) return;
    const int64_t begin = sorted.begins[segment], length = sorted.ends[segment] - begin, row = i - begin;
    if (row < first_row || row >= first_row + sorted.slab) return;
    const int64_t column = begin / kBits + segment, words = divide_up<int64_t>(length, kBits);
    if (removed[column + row / kBits] >> (row % kBits) & 1) return;
    uint64_t* to = mask + (row - first_row) * sorted.columns + column;
    for (int64_t word = blockIdx.y; word < words; word += gridDim.y) {
        if (word >= row / kBits) to[word] = overlap_bits(sorted.boxes + begin, length, row, word, threshold, mode);
    }
}

// A block a segment. Groups of 64 rows: one thread decides within the group, then all apply the kept rows to what comes
// after it.
__global__ void __launch_bounds__(kReduceThreads)
    reduce_kernel(Sorted sorted, int64_t first_row, const uint64_t* mask, uint64_t* all_removed, uint8_t* kept) {
    __shared__ uint64_t group_mask[kBits];
    __shared__ uint64_t group_kept;
    const int64_t segment = blockIdx.x, begin = sorted.begins[segment], length = sorted.ends[segment] - begin;
    const int64_t column = begin / kBits + segment, words = divide_up<int64_t>(length, kBits);
    const int64_t last_row = length < first_row + sorted.slab ? length : first_row + sorted.slab;
    uint64_t* removed = all_removed + column;
    for (int64_t group = first_row / kBits; group * kBits < last_row; ++group) {
        const int64_t row = group * kBits + threadIdx.x;
        const uint64_t* rows = mask + (group * kBits - first_row) * sorted.columns + column;
        if (threadIdx.x < kBits) {
            const bool alive = row < length && !(removed[group] >> threadIdx.x & 1);
            group_mask[threadIdx.x] = alive ? rows[threadIdx.x * sorted.columns + group] : 0;
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            const int64_t size = length - group * kBits;
            uint64_t candidates = ~removed[group] & (size < kBits ? (uint64_t{1} << size) - 1 : ~uint64_t{0});
            uint64_t keep = 0;
            while (candidates != 0) {
                const int bit = __ffsll(static_cast<long long>(candidates)) - 1;
                keep |= uint64_t{1} << bit;
                candidates &= ~(group_mask[bit] | uint64_t{1} << bit);
            }
            group_kept = keep;
        }
        __syncthreads();
        const uint64_t keep = group_kept;
        if (threadIdx.x < kBits && keep >> threadIdx.x & 1) kept[begin + row] = 1;
        for (int64_t word = group + 1 + threadIdx.x; word < words; word += kReduceThreads) {
            uint64_t gone = removed[word];
            for (uint64_t left = keep; left != 0; left &= left - 1) {
                const int bit = __ffsll(static_cast<long long>(left)) - 1;
                gone |= rows[bit * sorted.columns + word];
            }
            removed[word] = gone;
        }
        __syncthreads();
    }
}

struct KeptSelector {
    const uint8_t* flags;
    const uint32_t* indices;
    int64_t capacity;
    int64_t* kept;

    __device__ bool take(int64_t i) const { return i < capacity && flags[i] != 0; }
    __device__ void put(int64_t i, int64_t slot) const { kept[slot] = indices[i]; }
};

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
    const size_t needed = lay_out(nullptr, a.capacity, a.segment_count, kBits).bytes;
    require(workspace_size >= needed,
            "workspace must have at least " + std::to_string(needed) + " bytes, got " + std::to_string(workspace_size));
}

void reduce_slabs(const NmsArguments& a, const Workspaces& w, const Sorted& sorted, const std::string& shapes,
                  cudaStream_t stream) {
    check(cudaMemsetAsync(w.removed, 0, static_cast<size_t>(w.columns) * sizeof(uint64_t), stream),
          "batched_nms (" + shapes + ")");
    const dim3 rows(static_cast<unsigned>(divide_up<int64_t>(a.capacity, kMaskThreads)),
                    static_cast<unsigned>(std::min<int64_t>(kMaskColumns, divide_up<int64_t>(a.capacity, kBits))));
    for (int64_t first_row = 0; first_row < a.capacity; first_row += w.slab) {
        launch({"nms_mask", shapes, rows, kMaskThreads, stream}, mask_kernel, sorted, first_row, w.removed, w.mask,
               a.threshold, a.mode);
        launch({"nms_reduce", shapes, dim3(static_cast<unsigned>(a.segment_count)), kReduceThreads, stream},
               reduce_kernel, sorted, first_row, w.mask, w.removed, w.kept);
    }
}

}  // namespace

size_t batched_nms_workspace_size(int64_t capacity, int32_t segment_count) {
    if (capacity <= 0) return 0;
    segment_count = std::max(segment_count, 1);
    const int64_t slab = std::max<int64_t>(fitting_slab(kMaskBytes, capacity, segment_count), kBits);
    return lay_out(nullptr, capacity, segment_count, slab).bytes;
}

void batched_nms(const NmsArguments& a, void* workspace, size_t workspace_size, cudaStream_t stream) {
    check_arguments(a, workspace, workspace_size);
    const std::string shapes = std::to_string(a.capacity) + " boxes, " + std::to_string(a.segment_count) + " segments";
    if (a.capacity == 0) {
        check(cudaMemsetAsync(a.kept_count, 0, sizeof(int32_t), stream), "batched_nms (" + shapes + ")");
        return;
    }
    const size_t fixed = lay_out(nullptr, a.capacity, a.segment_count, 0).bytes;
    const int64_t slab = fitting_slab(static_cast<int64_t>(workspace_size - fixed), a.capacity, a.segment_count);
    const Workspaces w = lay_out(workspace, a.capacity, a.segment_count, slab);
    const int current = sort_by_score({a.scores, a.segments, a.segment_count, a.count, a.capacity}, w.sort, stream);
    check(cudaMemsetAsync(w.begins, 0, 2 * static_cast<size_t>(a.segment_count) * sizeof(int32_t), stream),
          "batched_nms (" + shapes + ")");
    const Sorted sorted{
        w.sort.keys[current], w.sort.indices[current], w.boxes, w.begins, w.ends, a.capacity, w.slab, w.columns};
    const dim3 grid(static_cast<unsigned>(divide_up<int64_t>(a.capacity, kMaskThreads)));
    launch({"nms_gather_sorted", shapes, grid, kMaskThreads, stream}, gather_sorted_kernel, sorted, a.boxes, w.boxes,
           w.begins, w.ends, w.kept);
    reduce_slabs(a, w, sorted, shapes, stream);
    select("nms_select", shapes, KeptSelector{w.kept, sorted.indices, a.capacity, a.kept}, a.capacity, w.chunks,
           {a.kept_count, nullptr, a.capacity}, stream);
}

}  // namespace mtcnn_fast::cuda
