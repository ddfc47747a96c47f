// A whole image resampled to several sizes (docs/semantics.md, step 1), by the engine's kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

// A size to resize to, and where to.
struct ResizedLevel {
    std::int32_t height;
    std::int32_t width;
    PlanesView out;
};

// Resizes an image to each level, on up to `num_threads` threads; see ThreadPool::run for `poll`.
void resize_pyramid(const ImageView& image, const std::vector<ResizedLevel>& levels, const engine::KernelTable& kernels,
                    int num_threads, const ThreadPool::Poll& poll = {});

}  // namespace mtcnn_fast
