// How much two boxes overlap (docs/semantics.md, NMS).
#pragma once

#include "boxes.h"

namespace mtcnn_fast {

enum class Overlap {
    kIou,    // intersection over union
    kIoMin,  // intersection over the smaller area, with 1 added to every width and height
};

// Pixels that a mode adds to widths and heights.
MF_HD float overlap_extra(Overlap mode) { return mode == Overlap::kIoMin ? 1.0f : 0.0f; }

MF_HD float box_area(const Box& box, Overlap mode) {
    const float extra = overlap_extra(mode);
    return (box.x2 - box.x1 + extra) * (box.y2 - box.y1 + extra);
}

// Area that two boxes share, at least 0; 0 if a coordinate is NaN.
MF_HD float intersection(const Box& a, const Box& b, Overlap mode) {
    const float extra = overlap_extra(mode);
    const float w = min_nan(a.x2, b.x2) - max_nan(a.x1, b.x1) + extra;
    const float h = min_nan(a.y2, b.y2) - max_nan(a.y1, b.y1) + extra;
    return (w > 0.0f ? w : 0.0f) * (h > 0.0f ? h : 0.0f);
}

// Overlap of two boxes whose areas are `box_area` of the same mode. NaN (0/0) for two boxes without area; the sign
// follows the areas if one is inside out.
MF_HD float overlap_ratio(const Box& a, float area_a, const Box& b, float area_b, Overlap mode) {
    const float shared = intersection(a, b, mode);
    return shared / (mode == Overlap::kIoMin ? min_nan(area_a, area_b) : area_a + area_b - shared);
}

// Whether greedy NMS drops one of the two. A NaN ratio drops nothing. With `threshold` >= 0, only boxes that share area
// can drop each other.
MF_HD bool overlaps(const Box& a, float area_a, const Box& b, float area_b, float threshold, Overlap mode) {
    return overlap_ratio(a, area_a, b, area_b, mode) > threshold;
}

}  // namespace mtcnn_fast
