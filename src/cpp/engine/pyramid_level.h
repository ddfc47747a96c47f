// One scale of an image's pyramid.
#pragma once

#include <cstdint>

#include "common/crop_window.h"
#include "common/resample.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

// Its size, that of P-Net's output on it, and the bins of its columns.
struct PyramidLevel {
    float scale;
    std::int32_t height;
    std::int32_t width;
    std::int32_t rows;
    std::int32_t columns;
    AreaColumns bins;
    LevelPlanes planes{};  // of a coarse level

    PyramidLevel(const ImageView& image, double s)
        : scale(static_cast<float>(s)),
          height(static_cast<std::int32_t>(scaled_size(image.height, s))),
          width(static_cast<std::int32_t>(scaled_size(image.width, s))),
          rows((height - 1) / 2 - 4),
          columns((width - 1) / 2 - 4) {
        bins.assign(whole_span(image.width), width);
    }

    Resampling resampling(const ImageView& image) const {
        return {image, whole_window(image.height, image.width), bins.bins(), height};
    }
};

}  // namespace mtcnn_fast::engine
