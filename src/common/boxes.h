// Boxes: from P-Net's cells, regression, squaring and landmarks (docs/semantics.md, steps 2 to 4). All in float32, in
// the written order, without fused multiply-add.
#pragma once

#include <math.h>
#include <stdint.h>

#include "hd.h"

namespace mtcnn_fast {

// Corners in pixels. An array of n of these is an (n, 4) float32 array.
struct Box {
    float x1;
    float y1;
    float x2;
    float y2;
};
static_assert(sizeof(Box) == 4 * sizeof(float));

inline constexpr int kCellStride = 2;
inline constexpr int kCellSize = 12;

// Near edge of P-Net's cell `index` (row or column) in pixels of the unscaled image: one IEEE float32 division. `scale`
// is the pyramid's float64 scale rounded to float32.
MF_HD float cell_begin(int64_t index, float scale) {
    return ::floorf(static_cast<float>(kCellStride * index + 1) / scale);
}

// Far edge of the cell, by the same division.
MF_HD float cell_end(int64_t index, float scale) {
    return ::floorf(static_cast<float>(kCellStride * index + kCellSize) / scale);
}

MF_HD Box cell_box(int64_t row, int64_t column, float scale) {
    return {cell_begin(column, scale), cell_begin(row, scale), cell_end(column, scale), cell_end(row, scale)};
}

// Moves each corner by its offset times the box's size: `x2 - x1`, plus `extra`, which is 0 after P-Net and 1 after
// R-Net and O-Net. `offset` is the network's dx1, dy1, dx2, dy2.
MF_HD Box regress(const Box& box, const Box& offset, float extra) {
    const float w = box.x2 - box.x1 + extra;
    const float h = box.y2 - box.y1 + extra;
    return {box.x1 + offset.x1 * w, box.y1 + offset.y1 * h, box.x2 + offset.x2 * w, box.y2 + offset.y2 * h};
}

// How a network's four box outputs are meant; part of the weights.
enum class BoxCoding {
    kCorner,  // offsets of x1, y1, x2, y2 in units of the box
    kRcnn,    // offset of the centre in units of the box, and logarithm of the ratio of sizes (Girshick et al. 2014)
};

// exp in float64, rounded once: float32 versions differ between libraries in the last bit.
MF_HD float exp_rounded(float x) { return static_cast<float>(::exp(static_cast<double>(x))); }

MF_HD Box regress(const Box& box, const Box& offset, float extra, BoxCoding coding) {
    if (coding == BoxCoding::kCorner) return regress(box, offset, extra);
    const float w = box.x2 - box.x1 + extra;
    const float h = box.y2 - box.y1 + extra;
    const float x = box.x1 + w * 0.5f + offset.x1 * w;
    const float y = box.y1 + h * 0.5f + offset.y1 * h;
    const float half_w = w * exp_rounded(offset.x2) * 0.5f;
    const float half_h = h * exp_rounded(offset.y2) * 0.5f;
    return {x - half_w, y - half_h, x + half_w - extra, y + half_h - extra};
}

// The square with the box's centre and its longer side.
MF_HD Box square(const Box& box) {
    const float w = box.x2 - box.x1;
    const float h = box.y2 - box.y1;
    const float side = max_nan(w, h);
    const float x1 = box.x1 + w * 0.5f - side * 0.5f;
    const float y1 = box.y1 + h * 0.5f - side * 0.5f;
    return {x1, y1, x1 + side, y1 + side};
}

// One coordinate of a landmark from O-Net's output `p` and the edges, before regression, of its box on that axis.
MF_HD float landmark_coordinate(float begin, float end, float p) {
    const float size = end - begin + 1.0f;
    return begin + size * p - 1.0f;
}

}  // namespace mtcnn_fast
