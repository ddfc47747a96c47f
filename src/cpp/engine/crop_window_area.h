// Resampling of one candidate's window to a network's input, straight from the 8-bit image.
#pragma once

#include "cpp/engine/area.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

template <class Element>
MF_INLINE void crop_columns(const Element* sums, const Bin* bins, const Span& x, std::int64_t rows, int size,
                            float* out) {
    for (int i = 0; i < size; ++i) {
        const std::int64_t begin = bins[i].begin > x.inside_begin ? bins[i].begin : x.inside_begin;
        const std::int64_t end = bins[i].end < x.inside_end ? bins[i].end : x.inside_end;
        U32x4 sum = {0, 0, 0, 0};
        const Element* p = sums + 3 * (begin - x.inside_begin);
        for (std::int64_t k = begin; k < end; ++k, p += 3) sum += PixelSum<Element, std::uint32_t>::at(p);
        store4(out + 3 * i, normalise_pixel(sum, inverse_area(rows * bins[i].size())));
    }
}

// `size` is a constant, which spares the divisions.
template <int size>
MF_INLINE void crop_area(const ImageView& image, const CropWindow& window, std::uint32_t* vertical, float* out) {
    const std::int64_t width = window.x.size(), height = window.y.size();
    const bool inside = window.x.begin == window.x.inside_begin && window.x.end == window.x.inside_end;
    std::int32_t begin[size];
    std::uint64_t more[size + 1];
    std::uint8_t more_of[size / 8] = {};
    Bin columns[size];
    const int count = static_cast<int>((width + size - 1) / size);  // the fewest pixels a bin can have
    more[size] = 0;
    for (int i = 0; i < size; ++i) {
        const Bin bin = area_bin(i, width, size);
        columns[i] = {bin.begin + window.x.begin, bin.end + window.x.begin};
        begin[i] = static_cast<std::int32_t>(3 * bin.begin);
        more[i] = bin.size() > count ? ~std::uint64_t{0} : 0;
        more_of[i / 8] |= static_cast<std::uint8_t>((more[i] & 1) << i % 8);
    }
    const ColumnBins bins{begin, more, more_of, count, size};
    for (int y = 0; y < size; ++y, out += 3 * size) {
        const Bin bin = area_bin(y, height, size);
        const std::int64_t first = bin.begin + window.y.begin, last = bin.end + window.y.begin;
        const std::int64_t row_begin = first > window.y.inside_begin ? first : window.y.inside_begin;
        const std::int64_t row_end = last < window.y.inside_end ? last : window.y.inside_end;
        if (row_begin >= row_end) {
            const V4 outside = normalise_pixel(U32x4{0, 0, 0, 0}, 1.0f);
            for (int i = 0; i < size; ++i) store4(out + 3 * i, outside);
            continue;
        }
        const std::int64_t rows = bin.size();
        const bool wide = rows > kMax16;
        area_rows(image, row_begin, row_end, window.x.inside_begin, window.x.inside_end, wide, vertical);
        if (inside) {
            area_columns(vertical, bins, 0, 0, size, rows,
                         [&](int x, const auto& block) __attribute__((always_inline)) {
                             MF_UNROLL(8)
                             for (int i = 0; i < 8; ++i) store4(out + 3 * (x + i), block.pixel(i));
                         });
        } else if (wide) {
            crop_columns(vertical, columns, window.x, rows, size, out);
        } else {
            crop_columns(reinterpret_cast<const std::uint16_t*>(vertical), columns, window.x, rows, size, out);
        }
    }
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
