// Area resampling of 8-bit RGB rows, bit-exact (docs/semantics.md, steps 1 and 3): integer sums of the rows of a bin,
// then of its columns, then one float32 normalisation a value. Levels of a pyramid, crops for the networks and the
// public operations all use it.
#pragma once

#include <cstring>
#include <type_traits>

#include "common/crop_window.h"
#include "common/resample.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// Bytes that 32 bits sum exactly.
inline constexpr std::int64_t kMax32 = 4294967295 / 255;

// The sums of a pixel's three elements, and of what follows them in memory, which is ignored.
template <class Element, class Sum>
struct PixelSum;

template <>
struct PixelSum<std::uint16_t, std::uint16_t> {
    using Type = U16x8;  // eight lanes, so that loads and additions fuse
    MF_INLINE static Type at(const std::uint16_t* p) { return load_as<U16x8>(p); }
    MF_INLINE static Type masked(const std::uint16_t* p, const std::uint64_t* mask) {
        return load_as<U16x8>(p) & load_as<U16x8>(mask);
    }
};

template <>
struct PixelSum<std::uint16_t, std::uint32_t> {
    using Type = U32x4;
    MF_INLINE static Type at(const std::uint16_t* p) { return __builtin_convertvector(load_as<U16x4>(p), U32x4); }
    MF_INLINE static Type masked(const std::uint16_t* p, const std::uint64_t* mask) {
        return __builtin_convertvector(load_as<U16x4>(p) & load_as<U16x4>(mask), U32x4);
    }
};

template <>
struct PixelSum<std::uint32_t, std::uint32_t> {
    using Type = U32x4;
    MF_INLINE static Type at(const std::uint32_t* p) { return load_as<U32x4>(p); }
    MF_INLINE static Type masked(const std::uint32_t* p, const std::uint64_t* mask) {
        const auto half = static_cast<std::uint32_t>(*mask);
        return load_as<U32x4>(p) & U32x4{half, half, half, half};
    }
};

// out[i] = sum of N rows of bytes, or out[i] += it.
template <int N, bool kAdd>
MF_INLINE void sum_group(const std::uint8_t* p, std::ptrdiff_t pitch, std::ptrdiff_t count, std::uint16_t* out) {
    const auto add = [&]<class W>(std::ptrdiff_t i, auto widen) __attribute__((always_inline)) {
        W sum = widen(p + i);
        MF_UNROLL(8)
        for (int k = 1; k < N; ++k) sum += widen(p + k * pitch + i);
        if constexpr (kAdd) sum += load_as<W>(out + i);
        std::memcpy(out + i, &sum, sizeof sum);
    };
    const auto widen = [](const std::uint8_t* bytes) __attribute__((always_inline)) { return load_bytes(bytes); };
    const auto widen8 = [](const std::uint8_t* bytes) __attribute__((always_inline)) {
        return __builtin_convertvector(load_as<U8x8>(bytes), U16x8);
    };
    constexpr std::ptrdiff_t kBytes = 2 * kLanes;
    std::ptrdiff_t i = 0;
    for (; i + kBytes <= count; i += kBytes) add.template operator()<U16>(i, widen);
    for (; i + 8 <= count; i += 8) add.template operator()<U16x8>(i, widen8);
    for (; i < count; ++i) {
        unsigned sum = kAdd ? out[i] : 0;
        MF_UNROLL(8)
        for (int k = 0; k < N; ++k) sum += p[k * pitch + i];
        out[i] = static_cast<std::uint16_t>(sum);
    }
}

// Sums `rows` <= kMax16 rows of `count` bytes.
MF_INLINE void sum_rows(const std::uint8_t* p, std::ptrdiff_t pitch, std::int64_t rows, std::ptrdiff_t count,
                        std::uint16_t* out) {
    switch (rows < 8 ? rows : 8) {
        case 1:
            return sum_group<1, false>(p, pitch, count, out);
        case 2:
            return sum_group<2, false>(p, pitch, count, out);
        case 3:
            return sum_group<3, false>(p, pitch, count, out);
        case 4:
            return sum_group<4, false>(p, pitch, count, out);
        case 5:
            return sum_group<5, false>(p, pitch, count, out);
        case 6:
            return sum_group<6, false>(p, pitch, count, out);
        case 7:
            return sum_group<7, false>(p, pitch, count, out);
        default:
            sum_group<8, false>(p, pitch, count, out);
    }
    std::int64_t row = 8;
    for (; row + 8 <= rows; row += 8) sum_group<8, true>(p + row * pitch, pitch, count, out);
    for (; row + 2 <= rows; row += 2) sum_group<2, true>(p + row * pitch, pitch, count, out);
    if (row < rows) sum_group<1, true>(p + row * pitch, pitch, count, out);
}

// The same for up to kMax32 rows: eight at a time in 16 bits.
MF_INLINE void sum_rows(const std::uint8_t* p, std::ptrdiff_t pitch, std::int64_t rows, std::ptrdiff_t count,
                        std::uint32_t* out) {
    std::memset(out, 0, static_cast<std::size_t>(count) * sizeof *out);
    for (; rows >= 8; rows -= 8, p += 8 * pitch) {
        std::ptrdiff_t i = 0;
        for (; i + 4 <= count; i += 4) {
            U16x4 sum{};
            MF_UNROLL(8)
            for (int k = 0; k < 8; ++k) sum += __builtin_convertvector(load_as<U8x4>(p + k * pitch + i), U16x4);
            const U32x4 total = load_as<U32x4>(out + i) + __builtin_convertvector(sum, U32x4);
            std::memcpy(out + i, &total, sizeof total);
        }
        for (; i < count; ++i) {
            for (int k = 0; k < 8; ++k) out[i] += p[k * pitch + i];
        }
    }
    for (; rows > 0; --rows, p += pitch) {
        for (std::ptrdiff_t i = 0; i < count; ++i) out[i] += p[i];
    }
}

// Eight pixels of sums, the mask of those whose bin has one more input column, and 1 / area without and with it.
template <class Sum>
struct PixelBlock {
    Sum sums[8];
    unsigned more;
    float inverse[2];

    MF_INLINE F32x4 pixel(int i) const { return normalise_pixel(sums[i], inverse[more >> i & 1]); }
    // Writes every kStep-th pixel from `first` on, four in all, to three planes.
    template <int kStep>
    MF_INLINE void store_planes(int first, float* r, float* g, float* b) const {
        if constexpr (std::is_same_v<Sum, U16x8>) {
            normalise_to_planes<kStep>(sums + first, more >> first, inverse, r, g, b);
        } else {
            planes_by_pixel<kStep>(sums + first, more >> first, inverse, r, g, b);
        }
    }
};

// Calls emit(x, block) for the blocks of eight output columns that cover [x_begin, x_end) of one row whose vertical
// sums over `rows` rows start at input column `base`; x_begin is a multiple of 8. K is the number of pixels that every
// bin has, 0 for any.
template <int K, class Element, class Sum, class Emit>
MF_INLINE void sum_columns(const Element* sums, const ColumnBins& bins, int base, int x_begin, int x_end,
                           std::int64_t rows, Emit emit) {
    using Pixel = PixelSum<Element, Sum>;
    const int count = K > 0 ? K : bins.count;
    PixelBlock<typename Pixel::Type> block;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
    block.inverse[0] = inverse_area(rows * count);
    block.inverse[1] = inverse_area(rows * (count + 1));
    const Element* const origin = sums - 3 * std::ptrdiff_t{base};
    [[maybe_unused]] const int narrow = rows < kMax16 ? static_cast<int>(kMax16 / rows) : 1;
    for (int x = x_begin; x < x_end; x += 8) {
        block.more = bins.more_of[x / 8];
        MF_UNROLL(8)
        for (int i = 0; i < 8; ++i) {
            const Element* const p = origin + bins.begin[x + i];
            typename Pixel::Type s = Pixel::masked(p + 3 * count, bins.more + x + i);
            int k = 0;
            if constexpr (!std::is_same_v<Element, Sum> && K == 0) {
                // As many pixels at a time as 16 bits hold the sum of.
                for (; k + narrow <= count; k += narrow) {
                    U16x8 part = load_as<U16x8>(p + 3 * k);
                    for (int j = 1; j < narrow; ++j) part += load_as<U16x8>(p + 3 * (k + j));
                    s += __builtin_convertvector(load_as<U16x4>(&part), U32x4);
                }
            }
            MF_UNROLL(8)
            for (; k < count; ++k) s += Pixel::at(p + 3 * k);
            block.sums[i] = s;
        }
        emit(x, block);
    }
}

template <class Emit>
MF_INLINE void area_columns(const void* sums, const ColumnBins& bins, int base, int x_begin, int x_end,
                            std::int64_t rows, Emit emit) {
    const auto* const narrow = static_cast<const std::uint16_t*>(sums);
    using E16 = std::uint16_t;
    using E32 = std::uint32_t;
    if (rows > kMax16) {
        return sum_columns<0, E32, E32>(static_cast<const E32*>(sums), bins, base, x_begin, x_end, rows, emit);
    }
    if (rows * (bins.count + 1) > kMax16) {
        return sum_columns<0, E16, E32>(narrow, bins, base, x_begin, x_end, rows, emit);
    }
    switch (bins.count) {
        case 1:
            return sum_columns<1, E16, E16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 2:
            return sum_columns<2, E16, E16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 3:
            return sum_columns<3, E16, E16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 4:
            return sum_columns<4, E16, E16>(narrow, bins, base, x_begin, x_end, rows, emit);
        default:
            return sum_columns<0, E16, E16>(narrow, bins, base, x_begin, x_end, rows, emit);
    }
}

// Sums the rows [row_begin, row_end) of pixels [x_begin, x_end) into `sums`, in 16 bits where they suffice.
MF_INLINE void area_rows(const ImageView& image, std::int64_t row_begin, std::int64_t row_end, std::int64_t x_begin,
                         std::int64_t x_end, bool wide, void* sums) {
    const std::uint8_t* const p = image.data + row_begin * image.pitch + 3 * x_begin;
    const std::ptrdiff_t count = 3 * (x_end - x_begin);
    if (wide) return sum_rows(p, image.pitch, row_end - row_begin, count, static_cast<std::uint32_t*>(sums));
    sum_rows(p, image.pitch, row_end - row_begin, count, static_cast<std::uint16_t*>(sums));
}

// The part inside the image of the bin of output column x, in the image's columns.
MF_INLINE Bin inside_bin(const Resampling& job, int x) {
    const Span& span = job.window.x;
    const std::int64_t first = span.begin + job.columns.begin[x] / 3;
    const std::int64_t last = first + job.columns.count + static_cast<std::int64_t>(job.columns.more[x] & 1);
    return {first > span.inside_begin ? first : span.inside_begin, last < span.inside_end ? last : span.inside_end};
}

// Calls put(x, pixel) for the columns [x_begin, x_end) of a row, whether or not their bins reach beyond the image.
// `sums` starts with the image's column `base`.
template <class Element, class Put>
MF_INLINE void any_columns(const Element* sums, const Resampling& job, std::int64_t base, int x_begin, int x_end,
                           std::int64_t rows, Put put) {
    const std::int32_t count = job.columns.count;
    const float inverse[2] = {inverse_area(rows * count), inverse_area(rows * (count + 1))};
    for (int x = x_begin; x < x_end; ++x) {
        const Bin bin = inside_bin(job, x);
        U32x4 sum{};
        const Element* p = sums + 3 * (bin.begin - base);
        for (std::int64_t k = bin.begin; k < bin.end; ++k, p += 3) sum += PixelSum<Element, std::uint32_t>::at(p);
        put(x, normalise_pixel(sum, inverse[job.columns.more[x] & 1]));
    }
}

// The same for bins of an area beyond kMax32: rows [row_begin, row_end) of the image are summed bin by bin, in 64 bits.
template <class Put>
MF_INLINE void huge_columns(const Resampling& job, std::int64_t row_begin, std::int64_t row_end, int x_begin, int x_end,
                            std::int64_t rows, Put put) {
    for (int x = x_begin; x < x_end; ++x) {
        const Bin bin = inside_bin(job, x);
        std::uint64_t sum[3] = {};
        for (std::int64_t y = row_begin; y < row_end; ++y) {
            const std::uint8_t* p = job.image.data + y * job.image.pitch + 3 * bin.begin;
            for (std::int64_t k = bin.begin; k < bin.end; ++k, p += 3) {
                for (int c = 0; c < 3; ++c) sum[c] += p[c];
            }
        }
        const float inverse =
            inverse_area(rows * (job.columns.count + static_cast<std::int64_t>(job.columns.more[x] & 1)));
        put(x, F32x4{normalise_sum(sum[0], inverse), normalise_sum(sum[1], inverse), normalise_sum(sum[2], inverse),
                     0.0f});
    }
}

// Resamples the columns [x_begin, x_end) of one row; x_begin is a multiple of 8. `bin` are the row's rows, counted from
// the window's first. Calls to.put(x, pixel) and, for eight columns at once, to.put_block(x, block), in ascending order
// of x; the last block may reach beyond x_end.
template <class Target>
MF_INLINE void resample_row(const Resampling& job, const Bin& bin, int x_begin, int x_end, std::uint32_t* sums,
                            const Target& to) {
    const Span& y = job.window.y;
    const ColumnBins& bins = job.columns;
    const auto put = [&](int at, F32x4 pixel) __attribute__((always_inline)) { to.put(at, pixel); };
    const std::int64_t first = y.begin + bin.begin, last = y.begin + bin.end, rows = bin.size();
    const std::int64_t row_begin = first > y.inside_begin ? first : y.inside_begin;
    const std::int64_t row_end = last < y.inside_end ? last : y.inside_end;
    const std::int64_t base = inside_bin(job, x_begin).begin, columns_end = inside_bin(job, x_end - 1).end;
    if (row_begin >= row_end || base >= columns_end) {
        const F32x4 outside = normalise_pixel(U32x4{}, 1.0f);
        for (int x = x_begin; x < x_end; ++x) to.put(x, outside);
        return;
    }
    if (rows * (bins.count + 1) > kMax32) return huge_columns(job, row_begin, row_end, x_begin, x_end, rows, put);
    const bool wide = rows > kMax16;
    area_rows(job.image, row_begin, row_end, base, columns_end, wide, sums);
    const auto any = [&](int begin, int end) __attribute__((always_inline)) {
        if (wide) return any_columns(sums, job, base, begin, end, rows, put);
        any_columns(reinterpret_cast<const std::uint16_t*>(sums), job, base, begin, end, rows, put);
    };
    // Blocks of eight columns whose bins lie inside the image, and the columns before and behind them.
    const int whole = (bins.whole_begin + 7) / 8 * 8;
    const int begin = whole > x_begin ? whole : x_begin;
    const int end = bins.whole_end >= x_end ? x_end : bins.whole_end / 8 * 8;
    if (begin >= end) return any(x_begin, x_end);
    if (x_begin < begin) any(x_begin, begin);
    area_columns(sums, bins, static_cast<int>(base - job.window.x.begin), begin, end, rows,
                 [&](int at, const auto& block) __attribute__((always_inline)) { to.put_block(at, block); });
    if (end < x_end) any(end, x_end);
}

// Pixels of three floats, a multiple of eight a row. Each pixel is written with a float too many, which the next
// overwrites.
struct PixelRow {
    float* out;

    MF_INLINE void put(int x, F32x4 pixel) const { store4(out + 3 * x, pixel); }
    template <class Block>
    MF_INLINE void put_block(int x, const Block& block) const {
        MF_UNROLL(8)
        for (int i = 0; i < 8; ++i) put(x + i, block.pixel(i));
    }
};

// Three planes, `size` pixels a row.
struct PlanarRow {
    float* planes[3];
    int size;

    MF_INLINE void put(int x, F32x4 pixel) const {
        for (int c = 0; c < 3; ++c) planes[c][x] = pixel[c];
    }
    template <class Block>
    MF_INLINE void put_block(int x, const Block& block) const {
        if (x + 8 <= size) {
            block.template store_planes<1>(0, planes[0] + x, planes[1] + x, planes[2] + x);
            block.template store_planes<1>(4, planes[0] + x + 4, planes[1] + x + 4, planes[2] + x + 4);
            return;
        }
        for (int i = 0; x + i < size; ++i) put(x + i, block.pixel(i));
    }
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
