// Area resampling of 8-bit RGB to normalised float planes (docs/semantics.md, step 1), exact: integer sums, then one
// float32 normalisation a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/crop_window.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

// The bins of one axis. Each has `base` pixels, or one more where `extra` is 1; [begin, end) is the part of it inside
// the image, in the image's own pixels, and may be empty.
struct AreaAxis {
    std::vector<std::int64_t> begin;
    std::vector<std::int64_t> end;
    std::vector<std::uint8_t> extra;
    std::int64_t base = 0;

    void assign(const Span& span, std::int64_t n_out);
    std::int64_t size() const { return static_cast<std::int64_t>(begin.size()); }
    bool whole(std::int64_t i) const { return end[i] - begin[i] == base + extra[i]; }
};

// Everything that is computed once for a window and an output size. Immutable while in use, so threads may share it.
struct ResizePlan {
    AreaAxis rows;
    AreaAxis columns;
    // Pixels of the image that any bin touches, and the output columns [whole_begin, whole_end) whose bins lie inside
    // it.
    std::int64_t first_column = 0;
    std::int64_t last_column = 0;
    std::int64_t whole_begin = 0;
    std::int64_t whole_end = 0;
    // Where a row of sums over the image's rows, three values a pixel from `first_column` on, holds the first pixel of
    // an output column's bin, and its last if the bin has one more than `base`, else three zeros behind the row.
    std::vector<std::int64_t> first_pixel;
    std::vector<std::int64_t> extra_pixel;
    // 1 / area of each output column's bin, in rows of `base` and then of `base + 1` pixels.
    std::vector<float> inverse;

    // For the pixels of a valid window; one outside the image counts as 0.
    void assign(const CropWindow& window, std::int64_t height, std::int64_t width);
    // For all pixels of an image.
    void assign(const ImageView& image, std::int64_t height, std::int64_t width);
};

// Buffers of one thread, kept from call to call.
struct ResizeScratch {
    std::vector<std::uint16_t> sums16;
    std::vector<std::uint64_t> sums64;
};

// Three planes of float32, rows `pitch` and planes `plane` elements apart.
struct PlanesView {
    float* data;
    std::ptrdiff_t plane;
    std::ptrdiff_t pitch;
};

// Writes output rows [row_begin, row_end) into `out`, whose first row is output row 0.
void resize_rows(const ResizePlan& plan, const ImageView& image, std::int64_t row_begin, std::int64_t row_end,
                 const PlanesView& out, ResizeScratch& scratch);

// A size to resize to, and where to.
struct PyramidLevel {
    std::int64_t height;
    std::int64_t width;
    PlanesView out;
};

// Resizes an image to each level, on up to `num_threads` threads; see ThreadPool::run for `poll`.
void resize_pyramid(const ImageView& image, const std::vector<PyramidLevel>& levels, int num_threads,
                    const ThreadPool::Poll& poll = {});

}  // namespace mtcnn_fast
