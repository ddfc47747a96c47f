#include "cpp/resize.h"

#include <algorithm>
#include <cstring>

#include "common/resample.h"

namespace mtcnn_fast {
namespace {

// Rows of bytes that 16 bits sum exactly, and pixels that 31 bits do.
constexpr std::int64_t kMaxRows16 = 65535 / 255;
constexpr std::int64_t kMaxArea31 = 2147483647 / 255;

// Elements read past the last pixel of a row of sums: one pixel that a mask discards, and its neighbour's first value.
constexpr std::int64_t kPadding = 4;

// The three values of a pixel, and one that is ignored.
typedef std::int32_t Lanes __attribute__((vector_size(16)));

template <typename Sum>
MF_HD Lanes load_pixel(const Sum* p) {
    typedef Sum Pixel __attribute__((vector_size(4 * sizeof(Sum))));
    Pixel pixel;
    std::memcpy(&pixel, p, sizeof pixel);
    return __builtin_convertvector(pixel, Lanes);
}

template <typename Sum>
Sum* buffer(std::vector<std::byte>& storage, std::int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(Sum);
    if (storage.size() < bytes) storage.resize(bytes);
    return reinterpret_cast<Sum*>(storage.data());
}

// Adds rows of `count` bytes. A block of columns at a time, so that its sums stay in registers.
template <typename Sum>
void sum_rows(const std::uint8_t* first, std::ptrdiff_t pitch, std::int64_t rows, std::int64_t count, Sum* out) {
    constexpr std::int64_t kBlock = 64;
    std::int64_t x = 0;
    for (; x + kBlock <= count; x += kBlock) {
        Sum block[kBlock] = {};
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::uint8_t* const p = first + row * pitch + x;
            for (int i = 0; i < kBlock; ++i) block[i] = static_cast<Sum>(block[i] + p[i]);
        }
        std::memcpy(out + x, block, sizeof block);
    }
    std::fill(out + x, out + count + kPadding, Sum{0});
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::uint8_t* const p = first + row * pitch;
        for (std::int64_t i = x; i < count; ++i) out[i] = static_cast<Sum>(out[i] + p[i]);
    }
}

// One row's vertical sums, from which bins of columns are summed into `out`, four values a pixel (the last is ignored).
template <typename Vertical, typename Sum>
struct RowSums {
    const ResizePlan& plan;
    const Vertical* vertical;
    Sum* out;

    const Vertical* pixel(std::int64_t column) const { return vertical + 3 * (column - plan.first_column); }

    void any_column(std::int64_t x) const {
        Sum sum[3] = {};
        for (std::int64_t column = plan.columns.begin[x]; column < plan.columns.end[x]; ++column) {
            for (int c = 0; c < 3; ++c) sum[c] += static_cast<Sum>(pixel(column)[c]);
        }
        std::copy(sum, sum + 3, out + 4 * x);
    }

    // A loop without branches for bins that lie inside the image: `base` pixels, and one more under a mask. Base is 0
    // for any number.
    template <int Base>
    void whole_columns() const {
        const std::int64_t base = Base > 0 ? Base : plan.columns.base;
        for (std::int64_t x = plan.whole_begin; x < plan.whole_end; ++x) {
            const Vertical* const p = pixel(plan.columns.begin[x]);
            const std::int32_t mask = -std::int32_t{plan.columns.extra[x]};
            Lanes sum = load_pixel(p + 3 * base) & Lanes{mask, mask, mask, mask};
            for (std::int64_t k = 0; k < base; ++k) sum += load_pixel(p + 3 * k);
            std::memcpy(out + 4 * x, &sum, sizeof sum);
        }
    }

    void run() const {
        const std::int64_t n = plan.columns.size();
        if constexpr (sizeof(Sum) > sizeof(std::int32_t)) {
            for (std::int64_t x = 0; x < n; ++x) any_column(x);
        } else {
            for (std::int64_t x = 0; x < plan.whole_begin; ++x) any_column(x);
            for (std::int64_t x = plan.whole_end; x < n; ++x) any_column(x);
            switch (plan.columns.base) {
                case 1:
                    return whole_columns<1>();
                case 2:
                    return whole_columns<2>();
                case 3:
                    return whole_columns<3>();
                case 4:
                    return whole_columns<4>();
                default:
                    return whole_columns<0>();
            }
        }
    }
};

template <typename Vertical, typename Sum>
void resize_rows_as(const ResizePlan& plan, const ImageView& image, std::int64_t row_begin, std::int64_t row_end,
                    const PlanesView& out, ResizeScratch& scratch) {
    const std::int64_t n = plan.columns.size();
    const std::int64_t count = 3 * (plan.last_column - plan.first_column);
    Vertical* const vertical = buffer<Vertical>(scratch.vertical, count + kPadding);
    Sum* const sums = buffer<Sum>(scratch.sums, 4 * n);
    for (std::int64_t y = row_begin; y < row_end; ++y) {
        const std::int64_t begin = plan.rows.begin[y];
        sum_rows(image.data + begin * image.pitch + 3 * plan.first_column, image.pitch, plan.rows.end[y] - begin, count,
                 vertical);
        RowSums<Vertical, Sum>{plan, vertical, sums}.run();
        const float* const inverse = plan.inverse.data() + plan.rows.extra[y] * n;
        for (int c = 0; c < 3; ++c) {
            float* const row = out.data + c * out.plane + y * out.pitch;
            for (std::int64_t x = 0; x < n; ++x) row[x] = normalise_sum(sums[4 * x + c], inverse[x]);
        }
    }
}

}  // namespace

void AreaAxis::assign(const Span& span, std::int64_t n_out) {
    begin.resize(n_out);
    end.resize(n_out);
    extra.resize(n_out);
    const std::int64_t n_in = span.size();
    base = n_in / n_out + (n_in % n_out != 0);
    for (std::int64_t i = 0; i < n_out; ++i) {
        const Bin bin = area_bin(i, n_in, n_out);
        extra[i] = static_cast<std::uint8_t>(bin.size() - base);
        begin[i] = std::clamp(span.begin + bin.begin, span.inside_begin, span.inside_end);
        end[i] = std::clamp(span.begin + bin.end, span.inside_begin, span.inside_end);
    }
}

void ResizePlan::assign(const CropWindow& window, std::int64_t height, std::int64_t width) {
    rows.assign(window.y, height);
    columns.assign(window.x, width);
    first_column = window.x.inside_begin;
    last_column = window.x.inside_end;
    whole_begin = 0;
    while (whole_begin < width && !columns.whole(whole_begin)) ++whole_begin;
    whole_end = width;
    while (whole_end > whole_begin && !columns.whole(whole_end - 1)) --whole_end;
    inverse.resize(2 * width);
    for (int more = 0; more < 2; ++more) {
        const float of_column[2] = {inverse_area((rows.base + more) * columns.base),
                                    inverse_area((rows.base + more) * (columns.base + 1))};
        for (std::int64_t x = 0; x < width; ++x) inverse[more * width + x] = of_column[columns.extra[x]];
    }
}

void ResizePlan::assign(const ImageView& image, std::int64_t height, std::int64_t width) {
    assign(CropWindow{{0, image.width, 0, image.width}, {0, image.height, 0, image.height}}, height, width);
}

void resize_rows(const ResizePlan& plan, const ImageView& image, std::int64_t row_begin, std::int64_t row_end,
                 const PlanesView& out, ResizeScratch& scratch) {
    const std::int64_t tallest = plan.rows.base + 1;
    if (tallest * (plan.columns.base + 1) > kMaxArea31) {
        resize_rows_as<std::uint64_t, std::uint64_t>(plan, image, row_begin, row_end, out, scratch);
    } else if (tallest > kMaxRows16) {
        resize_rows_as<std::uint32_t, std::int32_t>(plan, image, row_begin, row_end, out, scratch);
    } else {
        resize_rows_as<std::uint16_t, std::int32_t>(plan, image, row_begin, row_end, out, scratch);
    }
}

}  // namespace mtcnn_fast
