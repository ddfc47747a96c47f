// One scale of an image's pyramid.
#pragma once

#include <cstdint>

#include "common/resample.h"
#include "cpp/engine/area_columns.h"
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

    PyramidLevel(const ImageView& image, double s)
        : scale(static_cast<float>(s)),
          height(static_cast<std::int32_t>(scaled_size(image.height, s))),
          width(static_cast<std::int32_t>(scaled_size(image.width, s))),
          rows((height - 1) / 2 - 4),
          columns((width - 1) / 2 - 4) {
        bins.assign(whole_span(image.width), width);
    }
};

}  // namespace mtcnn_fast::engine
