// Area resampling of 8-bit RGB rows, bit-exact (docs/semantics.md, step 1): exact integer sums, then the normalisation of
// common/resample.h on four lanes, one pixel at a time.
#pragma once

#include <cstring>

#include "common/resample.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

typedef std::uint16_t U16x4 __attribute__((vector_size(8)));
typedef std::uint32_t U32x4 __attribute__((vector_size(16)));
typedef std::int32_t I32x4 __attribute__((vector_size(16)));
typedef float F32x4 __attribute__((vector_size(16)));

// Bytes that 16 bits sum exactly, and rows of them.
inline constexpr std::int64_t kMax16 = 65535 / 255;

template <class T>
MF_INLINE T load_as(const void* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// The sums of four neighbouring elements: a pixel's three and one that is ignored.
template <class Element, class Sum>
struct PixelSum;

template <>
struct PixelSum<std::uint16_t, std::uint16_t> {
    using Type = U16x4;
    MF_INLINE static Type at(const std::uint16_t* p) { return load_as<U16x4>(p); }
    MF_INLINE static Type masked(const std::uint16_t* p, std::uint64_t mask) {
        return load_as<U16x4>(p) & load_as<U16x4>(&mask);
    }
};

template <>
struct PixelSum<std::uint16_t, std::uint32_t> {
    using Type = U32x4;
    MF_INLINE static Type at(const std::uint16_t* p) { return __builtin_convertvector(load_as<U16x4>(p), U32x4); }
    MF_INLINE static Type masked(const std::uint16_t* p, std::uint64_t mask) {
        return __builtin_convertvector(load_as<U16x4>(p) & load_as<U16x4>(&mask), U32x4);
    }
};

template <>
struct PixelSum<std::uint32_t, std::uint32_t> {
    using Type = U32x4;
    MF_INLINE static Type at(const std::uint32_t* p) { return load_as<U32x4>(p); }
    MF_INLINE static Type masked(const std::uint32_t* p, std::uint64_t mask) {
        const auto half = static_cast<std::uint32_t>(mask);
        return load_as<U32x4>(p) & U32x4{half, half, half, half};
    }
};

MF_INLINE V4 normalise_pixel(U16x4 sum, float inverse) {
    const F32x4 value = __builtin_convertvector(__builtin_convertvector(sum, I32x4), F32x4);
    return (V4)((value * inverse - kPixelMean) * kPixelScale);
}

MF_INLINE V4 normalise_pixel(U32x4 sum, float inverse) {
    const F32x4 value = __builtin_convertvector(sum, F32x4);
    return (V4)((value * inverse - kPixelMean) * kPixelScale);
}

// Sums `rows` rows of `count` bytes. Loops over a fixed number of rows are what the compiler vectorises well.
template <class Element>
MF_INLINE void sum_rows(const std::uint8_t* p, std::ptrdiff_t pitch, std::int64_t rows, std::ptrdiff_t count,
                        Element* out) {
    const auto first = [&]<int N>(const std::uint8_t* r) __attribute__((always_inline)) {
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            unsigned s = r[i];
            MF_UNROLL(4)
            for (int k = 1; k < N; ++k) s += r[k * pitch + i];
            out[i] = static_cast<Element>(s);
        }
    };
    switch (rows) {
        case 1: return first.template operator()<1>(p);
        case 2: return first.template operator()<2>(p);
        case 3: return first.template operator()<3>(p);
        default: first.template operator()<4>(p);
    }
    std::int64_t row = 4;
    for (; row + 4 <= rows; row += 4) {
        const std::uint8_t* const r = p + row * pitch;
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            const unsigned s = unsigned{r[i]} + r[pitch + i] + r[2 * pitch + i] + r[3 * pitch + i];
            out[i] = static_cast<Element>(out[i] + s);
        }
    }
    for (; row < rows; ++row) {
        const std::uint8_t* const r = p + row * pitch;
        for (std::ptrdiff_t i = 0; i < count; ++i) out[i] = static_cast<Element>(out[i] + r[i]);
    }
}

// Calls emit(x, pixel) for output columns [x_begin, x_end) of one row whose vertical sums over `rows` rows start at input
// column `base`. K is the number of pixels that every bin has, 0 for any.
template <int K, class Element, class Sum, class Emit>
MF_INLINE void sum_columns(const Element* sums, const ColumnBins& axis, int base, int x_begin, int x_end,
                           std::int64_t rows, Emit emit) {
    using Pixel = PixelSum<Element, Sum>;
    const int count = K > 0 ? K : axis.count;
    const float inverse[2] = {inverse_area(rows * count), inverse_area(rows * (count + 1))};
    for (int x = x_begin; x < x_end; ++x) {
        const Element* const p = sums + 3 * (axis.begin[x] - base);
        typename Pixel::Type s = Pixel::masked(p + 3 * count, axis.extra[x]);
        MF_UNROLL(8)
        for (int k = 0; k < count; ++k) s += Pixel::at(p + 3 * k);
        emit(x, normalise_pixel(s, inverse[axis.extra[x] & 1]));
    }
}

template <class Emit>
MF_INLINE void area_columns(const void* sums, const ColumnBins& axis, int base, int x_begin, int x_end,
                            std::int64_t rows, Emit emit) {
    const auto* const narrow = static_cast<const std::uint16_t*>(sums);
    using U16 = std::uint16_t;
    using U32 = std::uint32_t;
    if (rows > kMax16) {
        return sum_columns<0, U32, U32>(static_cast<const U32*>(sums), axis, base, x_begin, x_end, rows, emit);
    }
    if (rows * (axis.count + 1) > kMax16) {
        return sum_columns<0, U16, U32>(narrow, axis, base, x_begin, x_end, rows, emit);
    }
    switch (axis.count) {
        case 1: return sum_columns<1, U16, U16>(narrow, axis, base, x_begin, x_end, rows, emit);
        case 2: return sum_columns<2, U16, U16>(narrow, axis, base, x_begin, x_end, rows, emit);
        case 3: return sum_columns<3, U16, U16>(narrow, axis, base, x_begin, x_end, rows, emit);
        case 4: return sum_columns<4, U16, U16>(narrow, axis, base, x_begin, x_end, rows, emit);
        default: return sum_columns<0, U16, U16>(narrow, axis, base, x_begin, x_end, rows, emit);
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

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
