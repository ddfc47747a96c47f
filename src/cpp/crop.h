// Crops of boxes, resampled to a network's input (docs/semantics.md, step 3).
#pragma once

#include <cstdint>

#include "common/crop_window.h"
#include "cpp/image_view.h"
#include "cpp/resize.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

// Buffers of one thread, kept from call to call.
struct CropScratch {
    ResizePlan plan;
    ResizeScratch resize;
};

// Writes three planes of size x size normalised floats to `out` and returns true; or zeros and false for a box that has
// no pixel inside the image.
bool crop_pad_resize(const ImageView& image, const Box& box, std::int64_t size, Border border, float* out,
                     CropScratch& scratch);

// The same for `n` boxes, on up to `num_threads` threads; crops follow each other in `out`. See ThreadPool::run for
// `poll`.
void crop_pad_resize(const ImageView& image, const Box* boxes, std::int64_t n, std::int64_t size, Border border,
                     float* out, bool* valid, int num_threads, const ThreadPool::Poll& poll = {});

}  // namespace mtcnn_fast
