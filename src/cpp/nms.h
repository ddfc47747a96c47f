// Greedy non-maximum suppression (docs/semantics.md, NMS).
#pragma once

#include <cstdint>
#include <vector>

#include "common/overlap.h"

namespace mtcnn_fast {

// Buffers of one thread, kept from call to call.
struct NmsScratch {
    // A box that was kept, and the next one in the same cell or -1.
    struct Kept {
        Box box;
        float area;
        std::int32_t next;
    };
    // Kept boxes of about one size, in square cells of that size. Cell (i, j) of the plane is held in cell
    // (i % side, j % side): some boxes of a cell are far apart and compared for nothing, but no pair is missed.
    struct Level {
        std::vector<Kept> kept;
        std::vector<std::int32_t> cells;
        std::int64_t side = 0;
        std::int64_t expected = 0;
    };

    std::vector<Level> levels;
    std::vector<Kept> wild;
    std::vector<std::uint64_t> keys;
    std::vector<std::uint64_t> spare;
    std::vector<std::int32_t> order;
};

// Appends to `keep` the indices of the boxes that survive, by descending score, ties by ascending index. Each box, in
// that order, drops those after it that overlap it by more than `threshold` (0 or more). A NaN score never survives and
// drops nothing. Any box is accepted: equal in result to comparing all pairs with `overlaps` of common/overlap.h.
void nms(const Box* boxes, const float* scores, std::int32_t n, float threshold, Overlap mode,
         std::vector<std::int32_t>& keep, NmsScratch& scratch);

// The same for each segment alone, in ascending order of its number; `keep` is ordered by segment first.
void batched_nms(const Box* boxes, const float* scores, const std::int64_t* segments, std::int32_t n, float threshold,
                 Overlap mode, std::vector<std::int32_t>& keep, NmsScratch& scratch);

}  // namespace mtcnn_fast
