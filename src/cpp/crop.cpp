#include "cpp/crop.h"

#include <algorithm>
#include <vector>

namespace mtcnn_fast {

bool crop_pad_resize(const ImageView& image, const Box& box, std::int64_t size, Border border, float* out,
                     CropScratch& scratch) {
    const CropWindow window = crop_window(box, image.height, image.width, border);
    if (!window.valid()) {
        std::fill(out, out + 3 * size * size, 0.0f);
        return false;
    }
    scratch.plan.assign(window, size, size);
    resize_rows(scratch.plan, image, 0, size, PlanesView{out, size * size, size}, scratch.resize);
    return true;
}

void crop_pad_resize(const ImageView& image, const Box* boxes, std::int64_t n, std::int64_t size, Border border,
                     float* out, bool* valid, int num_threads, const ThreadPool::Poll& poll) {
    constexpr std::int64_t kBlock = 4;
    std::vector<CropScratch> scratch(std::max(num_threads, 1));
    const auto crop_block = [&](std::int64_t task, int worker) {
        for (std::int64_t i = task * kBlock; i < std::min((task + 1) * kBlock, n); ++i) {
            valid[i] = crop_pad_resize(image, boxes[i], size, border, out + i * 3 * size * size, scratch[worker]);
        }
    };
    ThreadPool::shared().run((n + kBlock - 1) / kBlock, num_threads, crop_block, poll);
}

}  // namespace mtcnn_fast
