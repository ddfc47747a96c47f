// Which pixels a box takes from an image (docs/semantics.md, step 3).
#pragma once

#include <stdint.h>

#include "boxes.h"

namespace mtcnn_fast {

enum class Border {
    kZero,  // the whole box is resampled; pixels outside the image are 0 before normalisation
    kClip,  // only the part inside the image is resampled
};

// Finite corners are cut to this magnitude before they become integers: it is beyond every image, and areas fit 64
// bits.
inline constexpr float kFar = 268435456.0f;

// Pixels [begin, end) of one axis that are resampled; the part inside the image is [inside_begin, inside_end).
struct Span {
    int64_t begin;
    int64_t end;
    int64_t inside_begin;
    int64_t inside_end;

    MF_HD int64_t size() const { return end - begin; }
    MF_HD bool valid() const { return inside_begin < inside_end; }
};

MF_HD int64_t truncate_corner(float edge) {
    return static_cast<int64_t>(edge < -kFar ? -kFar : edge > kFar ? kFar : edge);
}

// Edges are truncated toward zero and then 1-based and inclusive: pixels trunc(first) - 1 ... trunc(last) - 1 of `n`.
// The span is invalid if it has no pixel inside the image or an edge is not finite.
MF_HD Span crop_span(float first, float last, int64_t n, Border border) {
    // A number minus itself is 0 unless it is NaN or infinite.
    if (first - first != 0.0f || last - last != 0.0f) return {0, 0, 0, 0};  // NOLINT(misc-redundant-expression)
    const int64_t begin = truncate_corner(first) - 1;
    const int64_t end = truncate_corner(last);
    const int64_t inside_begin = begin > 0 ? begin : 0;
    const int64_t inside_end = end < n ? end : n;
    if (inside_begin >= inside_end) return {0, 0, 0, 0};
    if (border == Border::kClip) return {inside_begin, inside_end, inside_begin, inside_end};
    return {begin, end, inside_begin, inside_end};
}

// All `n` pixels of an axis.
MF_HD Span whole_span(int64_t n) { return {0, n, 0, n}; }

struct CropWindow {
    Span x;
    Span y;

    MF_HD bool valid() const { return x.valid() && y.valid(); }
};

MF_HD CropWindow whole_window(int64_t height, int64_t width) { return {whole_span(width), whole_span(height)}; }

MF_HD CropWindow crop_window(const Box& box, int64_t height, int64_t width, Border border) {
    return {crop_span(box.x1, box.x2, width, border), crop_span(box.y1, box.y2, height, border)};
}

}  // namespace mtcnn_fast
