#include "cpp/crop.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>
#include "common/boxes.h"
#include "common/crop_window.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {

bool crop_pad_resize(const ImageView& image, const Box& box, std::int32_t size, Border border,
                     const engine::KernelTable& kernels, float* out, CropScratch& scratch) {
    const CropWindow window = crop_window(box, image.height, image.width, border);
    const std::ptrdiff_t plane = std::ptrdiff_t{size} * size;
    if (!window.valid()) {
        std::fill(out, out + 3 * plane, 0.0f);
        return false;
    }
    scratch.columns.assign(window.x, size);
    scratch.sums.resize(engine::row_of_sums(window.x.inside_end - window.x.inside_begin));
    kernels.resample_to_planes({image, window, scratch.columns.bins(), size}, 0, size, scratch.sums.data(),
                               PlanesView{out, plane, size});
    return true;
}

void crop_pad_resize(const ImageView& image, const Box* boxes, std::int64_t n, std::int32_t size, Border border,
                     const engine::KernelTable& kernels, float* out, bool* valid, int num_threads,
                     const ThreadPool::Poll& poll) {
    constexpr std::int64_t kBlock = 4;
    const std::ptrdiff_t crop = std::ptrdiff_t{3} * size * size;
    std::vector<CropScratch> scratch(static_cast<std::size_t>(std::max(num_threads, 1)));
    const auto crop_block = [&](std::int64_t task, int worker) {
        CropScratch& own = scratch[static_cast<std::size_t>(worker)];
        for (std::int64_t i = task * kBlock; i < std::min((task + 1) * kBlock, n); ++i) {
            valid[i] = crop_pad_resize(image, boxes[i], size, border, kernels, out + i * crop, own);
        }
    };
    ThreadPool::shared().run((n + kBlock - 1) / kBlock, num_threads, crop_block, poll);
}

}  // namespace mtcnn_fast
