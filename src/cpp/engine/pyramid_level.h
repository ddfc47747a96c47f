// One scale of an image's pyramid.
#pragma once

#include <cstdint>
#include <vector>

#include "common/resample.h"
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

    PyramidLevel(const ImageView& image, double s)
        : scale(static_cast<float>(s)),
          height(static_cast<std::int32_t>(scaled_size(image.height, s))),
          width(static_cast<std::int32_t>(scaled_size(image.width, s))),
          rows((height - 1) / 2 - 4),
          columns((width - 1) / 2 - 4),
          count_(static_cast<std::int32_t>((image.width + width - 1) / width)) {
        const std::int32_t padded = (width + 7) / 8 * 8;
        begin_.resize(static_cast<std::size_t>(padded));
        more_.resize(static_cast<std::size_t>(padded) + 1);
        more_of_.resize(static_cast<std::size_t>(padded / 8));
        for (std::int32_t x = 0; x < padded; ++x) {
            const Bin bin = area_bin(x < width ? x : width - 1, image.width, width);
            const bool more = bin.size() > count_;
            begin_[static_cast<std::size_t>(x)] = static_cast<std::int32_t>(3 * bin.begin);
            more_[static_cast<std::size_t>(x)] = more ? ~std::uint64_t{0} : 0;
            more_of_[static_cast<std::size_t>(x / 8)] |= static_cast<std::uint8_t>(more << x % 8);
        }
    }

    ColumnBins bins() const { return {begin_.data(), more_.data(), more_of_.data(), count_, width}; }

  private:
    std::int32_t count_;
    std::vector<std::int32_t> begin_;
    std::vector<std::uint64_t> more_;
    std::vector<std::uint8_t> more_of_;
};

}  // namespace mtcnn_fast::engine
