// Crops of boxes, resampled to a network's input (docs/semantics.md, step 3), by the engine's kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "common/crop_window.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

// Buffers of one thread, kept from call to call.
struct CropScratch {
    engine::AreaColumns columns;
    std::vector<std::uint32_t> sums;
};

// Writes three planes of size x size normalised floats to `out` and returns true; or zeros and false for a box that has
// no pixel inside the image.
bool crop_pad_resize(const ImageView& image, const Box& box, std::int32_t size, Border border,
                     const engine::KernelTable& kernels, float* out, CropScratch& scratch);

// The same for `n` boxes, on up to `num_threads` threads; crops follow each other in `out`. See ThreadPool::run for
// `poll`.
void crop_pad_resize(const ImageView& image, const Box* boxes, std::int64_t n, std::int32_t size, Border border,
                     const engine::KernelTable& kernels, float* out, bool* valid, int num_threads,
                     const ThreadPool::Poll& poll = {});

}  // namespace mtcnn_fast
