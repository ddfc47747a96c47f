#include "cpp/resize.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/resample.h"

namespace mtcnn_fast {
namespace {

// Bytes that 16 bits sum exactly, and that 31 bits do.
constexpr std::int64_t kMaxCount16 = 65535 / 255;
constexpr std::int64_t kMaxCount31 = 2147483647 / 255;

// Zeros behind a row of sums: as many as are read from its end on.
constexpr std::int64_t kPadding = 8;

typedef std::uint8_t U8x16 __attribute__((vector_size(16)));
typedef std::uint16_t U16x8 __attribute__((vector_size(16)));
typedef std::int32_t I32x4 __attribute__((vector_size(16)));
typedef float F32x4 __attribute__((vector_size(16)));
static_assert(std::endian::native == std::endian::little, "zeros are interleaved as the upper halves of wider numbers");

template <typename Vector, typename Element>
MF_HD Vector load(const Element* p) {
    Vector vector;
    std::memcpy(&vector, p, sizeof vector);
    return vector;
}

// Adds rows of `count` bytes, at most kMaxCount16 of them. A block of columns at a time: its sums stay in registers.
void sum_rows(const std::uint8_t* first, std::ptrdiff_t pitch, std::int64_t rows, std::int64_t count,
              std::uint16_t* out) {
    constexpr int kVectors = 2;
    constexpr std::int64_t kBlock = kVectors * sizeof(U8x16);
    std::int64_t x = 0;
    for (; x + kBlock <= count; x += kBlock) {
        U16x8 block[2 * kVectors] = {};
        const std::uint8_t* p = first + x;
        for (std::int64_t row = 0; row < rows; ++row, p += pitch) {
            for (int i = 0; i < kVectors; ++i) {
                const auto bytes = load<U8x16>(p + 16 * i);
                block[2 * i] += (U16x8)__builtin_shufflevector(bytes, U8x16{}, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                                               6, 22, 7, 23);
                block[2 * i + 1] += (U16x8)__builtin_shufflevector(bytes, U8x16{}, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                                                   13, 29, 14, 30, 15, 31);
            }
        }
        std::memcpy(out + x, block, sizeof block);
    }
    std::fill(out + x, out + count, std::uint16_t{0});
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::uint8_t* const p = first + row * pitch;
        for (std::int64_t i = x; i < count; ++i) out[i] = static_cast<std::uint16_t>(out[i] + p[i]);
    }
}

// Sums over more rows than 16 bits hold, through `part`, which has room for `count` sums.
void sum_rows(const std::uint8_t* first, std::ptrdiff_t pitch, std::int64_t rows, std::int64_t count,
              std::uint16_t* part, std::uint64_t* out) {
    std::fill(out, out + count, std::uint64_t{0});
    for (std::int64_t row = 0; row < rows; row += kMaxCount16) {
        sum_rows(first + row * pitch, pitch, std::min(kMaxCount16, rows - row), count, part);
        for (std::int64_t i = 0; i < count; ++i) out[i] += part[i];
    }
}

// One output row: the sums over its image rows, and where the normalised sums over columns go.
template <typename Sum>
struct Row {
    const ResizePlan& plan;
    const Sum* sums;
    const float* inverse;
    float* planes[3];
};

// Output columns [begin, end), whatever their bins.
template <typename Sum>
void any_columns(const Row<Sum>& row, std::int64_t begin, std::int64_t end) {
    for (std::int64_t x = begin; x < end; ++x) {
        std::uint64_t sum[3] = {};
        for (std::int64_t column = row.plan.columns.begin[x]; column < row.plan.columns.end[x]; ++column) {
            for (int c = 0; c < 3; ++c) sum[c] += row.sums[3 * (column - row.plan.first_column) + c];
        }
        for (int c = 0; c < 3; ++c) row.planes[c][x] = normalise_sum(sum[c], row.inverse[x]);
    }
}

MF_HD I32x4 widen(U16x8 sum) { return (I32x4)__builtin_shufflevector(sum, U16x8{}, 0, 8, 1, 9, 2, 10, 3, 11); }

// How a bin's pixels are added: in 16 bits while that is exact.
struct Sum16 {
    static MF_HD U16x8 pixel(const std::uint16_t* p) { return load<U16x8>(p); }
    static MF_HD I32x4 total(U16x8 sum) { return widen(sum); }
};
struct Sum31 {
    static MF_HD I32x4 pixel(const std::uint16_t* p) { return widen(load<U16x8>(p)); }
    static MF_HD I32x4 total(I32x4 sum) { return sum; }
};

// A bin inside the image of `Base` pixels (0: as many as the plan says), or one more; the three channels in lanes.
template <typename Arithmetic, int Base>
MF_HD F32x4 whole_column(const Row<std::uint16_t>& row, std::int64_t x) {
    const std::int64_t base = Base > 0 ? Base : row.plan.columns.base;
    const std::uint16_t* const p = row.sums + row.plan.first_pixel[x];
    auto sum = Arithmetic::pixel(row.sums + row.plan.extra_pixel[x]);
    for (std::int64_t k = 0; k < base; ++k) sum += Arithmetic::pixel(p + 3 * k);
    const F32x4 total = __builtin_convertvector(Arithmetic::total(sum), F32x4);
    return (total * row.inverse[x] - kPixelMean) * kPixelScale;
}

template <typename Arithmetic, int Base = 0>
void whole_columns(const Row<std::uint16_t>& row, std::int64_t begin, std::int64_t end) {
    std::int64_t x = begin;
    for (; x + 4 <= end; x += 4) {
        F32x4 pixel[4];
        for (int i = 0; i < 4; ++i) pixel[i] = whole_column<Arithmetic, Base>(row, x + i);
        const F32x4 rg01 = __builtin_shufflevector(pixel[0], pixel[1], 0, 4, 1, 5);
        const F32x4 rg23 = __builtin_shufflevector(pixel[2], pixel[3], 0, 4, 1, 5);
        const F32x4 b01 = __builtin_shufflevector(pixel[0], pixel[1], 2, 6, 3, 7);
        const F32x4 b23 = __builtin_shufflevector(pixel[2], pixel[3], 2, 6, 3, 7);
        const F32x4 channel[3] = {__builtin_shufflevector(rg01, rg23, 0, 1, 4, 5),
                                  __builtin_shufflevector(rg01, rg23, 2, 3, 6, 7),
                                  __builtin_shufflevector(b01, b23, 0, 1, 4, 5)};
        for (int c = 0; c < 3; ++c) std::memcpy(row.planes[c] + x, &channel[c], sizeof channel[c]);
    }
    for (; x < end; ++x) {
        const F32x4 pixel = whole_column<Arithmetic, Base>(row, x);
        for (int c = 0; c < 3; ++c) row.planes[c][x] = pixel[c];
    }
}

void all_columns(const Row<std::uint16_t>& row) {
    const ResizePlan& plan = row.plan;
    any_columns(row, 0, plan.whole_begin);
    any_columns(row, plan.whole_end, plan.columns.size());
    if ((plan.rows.base + 1) * (plan.columns.base + 1) > kMaxCount16) {
        return whole_columns<Sum31>(row, plan.whole_begin, plan.whole_end);
    }
    switch (plan.columns.base) {
        case 1:
            return whole_columns<Sum16, 1>(row, plan.whole_begin, plan.whole_end);
        case 2:
            return whole_columns<Sum16, 2>(row, plan.whole_begin, plan.whole_end);
        case 3:
            return whole_columns<Sum16, 3>(row, plan.whole_begin, plan.whole_end);
        case 4:
            return whole_columns<Sum16, 4>(row, plan.whole_begin, plan.whole_end);
        default:
            return whole_columns<Sum16>(row, plan.whole_begin, plan.whole_end);
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
    first_pixel.resize(width);
    extra_pixel.resize(width);
    inverse.resize(2 * width);
    for (std::int64_t x = 0; x < width; ++x) {
        first_pixel[x] = 3 * (columns.begin[x] - first_column);
        extra_pixel[x] = 3 * ((columns.extra[x] ? columns.end[x] - 1 : last_column) - first_column);
    }
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
    const std::int64_t count = 3 * (plan.last_column - plan.first_column);
    const std::int64_t tallest = plan.rows.base + 1;
    const bool narrow = tallest <= kMaxCount16 && tallest * (plan.columns.base + 1) <= kMaxCount31;
    scratch.sums16.resize(count + kPadding);
    std::fill_n(scratch.sums16.begin() + count, kPadding, std::uint16_t{0});
    if (!narrow) scratch.sums64.resize(count);
    for (std::int64_t y = row_begin; y < row_end; ++y) {
        const std::int64_t rows = plan.rows.end[y] - plan.rows.begin[y];
        const std::uint8_t* const first = image.data + plan.rows.begin[y] * image.pitch + 3 * plan.first_column;
        const float* const inverse = plan.inverse.data() + plan.rows.extra[y] * plan.columns.size();
        float* const p = out.data + y * out.pitch;
        float* const planes[3] = {p, p + out.plane, p + 2 * out.plane};
        if (narrow) {
            sum_rows(first, image.pitch, rows, count, scratch.sums16.data());
            all_columns({plan, scratch.sums16.data(), inverse, {planes[0], planes[1], planes[2]}});
        } else {
            sum_rows(first, image.pitch, rows, count, scratch.sums16.data(), scratch.sums64.data());
            any_columns(Row<std::uint64_t>{plan, scratch.sums64.data(), inverse, {planes[0], planes[1], planes[2]}}, 0,
                        plan.columns.size());
        }
    }
}

void resize_pyramid(const ImageView& image, const std::vector<PyramidLevel>& levels, int num_threads,
                    const ThreadPool::Poll& poll) {
    struct Band {
        std::size_t level;
        std::int64_t begin;
        std::int64_t end;
    };
    constexpr std::int64_t kBandRows = 32;
    std::vector<ResizePlan> plans(levels.size());
    std::vector<Band> bands;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        plans[i].assign(image, levels[i].height, levels[i].width);
        for (std::int64_t row = 0; row < levels[i].height; row += kBandRows) {
            bands.push_back({i, row, std::min(row + kBandRows, levels[i].height)});
        }
    }
    std::vector<ResizeScratch> scratch(std::max(num_threads, 1));
    const auto resize_band = [&](std::int64_t task, int worker) {
        const Band& band = bands[task];
        resize_rows(plans[band.level], image, band.begin, band.end, levels[band.level].out, scratch[worker]);
    };
    ThreadPool::shared().run(static_cast<std::int64_t>(bands.size()), num_threads, resize_band, poll);
}

}  // namespace mtcnn_fast
