#include "cpp/crop.h"

#include <algorithm>

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

}  // namespace mtcnn_fast
