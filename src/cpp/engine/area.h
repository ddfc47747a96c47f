// Area resampling of 8-bit RGB rows, bit-exact (docs/semantics.md, step 1): exact integer sums, then the normalisation
// of common/resample.h on four lanes, one pixel at a time.
#pragma once

#include <cstring>
#include <type_traits>

#include "common/resample.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

typedef std::uint16_t U16x8 __attribute__((vector_size(16)));
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

MF_INLINE V4 normalise_pixel(U16x8 sum, float inverse) {
    const U16x4 low = load_as<U16x4>(&sum);
    const F32x4 value = __builtin_convertvector(__builtin_convertvector(low, I32x4), F32x4);
    return (V4)((value * inverse - kPixelMean) * kPixelScale);
}

MF_INLINE V4 normalise_pixel(U32x4 sum, float inverse) {
    const F32x4 value = __builtin_convertvector(sum, F32x4);
    return (V4)((value * inverse - kPixelMean) * kPixelScale);
}

// As many bytes as fill a vector when widened to 16 bits.
inline constexpr int kBytes = 2 * kLanes;
typedef std::uint8_t U8x8 __attribute__((vector_size(8)));
typedef std::uint8_t Bytes __attribute__((vector_size(kBytes)));
typedef std::uint16_t Words __attribute__((vector_size(2 * kBytes)));

// out[i] = sum of N rows of bytes, or out[i] += it.
template <int N, bool kAdd>
MF_INLINE void sum_group(const std::uint8_t* p, std::ptrdiff_t pitch, std::ptrdiff_t count, std::uint16_t* out) {
    const auto add = [&]<class B, class W>(std::ptrdiff_t i) __attribute__((always_inline)) {
        W sum = __builtin_convertvector(load_as<B>(p + i), W);
        MF_UNROLL(8)
        for (int k = 1; k < N; ++k) sum += __builtin_convertvector(load_as<B>(p + k * pitch + i), W);
        if constexpr (kAdd) sum += load_as<W>(out + i);
        std::memcpy(out + i, &sum, sizeof sum);
    };
    std::ptrdiff_t i = 0;
    for (; i + kBytes <= count; i += kBytes) add.template operator()<Bytes, Words>(i);
    for (; i + 8 <= count; i += 8) add.template operator()<U8x8, U16x8>(i);
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

// The same for any number of rows.
MF_INLINE void sum_rows(const std::uint8_t* p, std::ptrdiff_t pitch, std::int64_t rows, std::ptrdiff_t count,
                        std::uint32_t* out) {
    std::memset(out, 0, static_cast<std::size_t>(count) * sizeof *out);
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

    MF_INLINE V4 pixel(int i) const { return normalise_pixel(sums[i], inverse[more >> i & 1]); }
};

// Calls emit(x, block) for the blocks of eight output columns that cover [x_begin, x_end) of one row whose vertical
// sums over `rows` rows start at input column `base`; x_begin is a multiple of 8. K is the number of pixels that every
// bin has, 0 for any.
template <int K, class Element, class Sum, class Emit>
MF_INLINE void sum_columns(const Element* sums, const ColumnBins& bins, int base, int x_begin, int x_end,
                           std::int64_t rows, Emit emit) {
    using Pixel = PixelSum<Element, Sum>;
    const int count = K > 0 ? K : bins.count;
    PixelBlock<typename Pixel::Type> block;
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
    using U16 = std::uint16_t;
    using U32 = std::uint32_t;
    if (rows > kMax16) {
        return sum_columns<0, U32, U32>(static_cast<const U32*>(sums), bins, base, x_begin, x_end, rows, emit);
    }
    if (rows * (bins.count + 1) > kMax16) {
        return sum_columns<0, U16, U32>(narrow, bins, base, x_begin, x_end, rows, emit);
    }
    switch (bins.count) {
        case 1:
            return sum_columns<1, U16, U16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 2:
            return sum_columns<2, U16, U16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 3:
            return sum_columns<3, U16, U16>(narrow, bins, base, x_begin, x_end, rows, emit);
        case 4:
            return sum_columns<4, U16, U16>(narrow, bins, base, x_begin, x_end, rows, emit);
        default:
            return sum_columns<0, U16, U16>(narrow, bins, base, x_begin, x_end, rows, emit);
    }
}

// Writes four pixels of a block, the even (0) or the odd (1) ones, to three planes.
template <class Sum>
MF_INLINE void store_planes(const PixelBlock<Sum>& block, int odd, float* r, float* g, float* b) {
    V4 p0 = block.pixel(odd), p1 = block.pixel(odd + 2), p2 = block.pixel(odd + 4), p3 = block.pixel(odd + 6);
    transpose4(p0, p1, p2, p3);
    store4(r, p0);
    store4(g, p1);
    store4(b, p2);
}

#if defined(__AVX512F__)
MF_INLINE void store_planes(const PixelBlock<U16x8>& block, int odd, float* r, float* g, float* b) {
    const __m128i low = _mm_unpacklo_epi64((__m128i)block.sums[odd], (__m128i)block.sums[odd + 2]);
    const __m128i high = _mm_unpacklo_epi64((__m128i)block.sums[odd + 4], (__m128i)block.sums[odd + 6]);
    const __m256i sums = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    const __m512i bits = _mm512_setr_epi32(1, 1, 1, 1, 4, 4, 4, 4, 16, 16, 16, 16, 64, 64, 64, 64);
    const __mmask16 more = _mm512_test_epi32_mask(_mm512_set1_epi32(static_cast<int>(block.more >> odd)), bits);
    const __m512 inverse =
        _mm512_mask_blend_ps(more, _mm512_set1_ps(block.inverse[0]), _mm512_set1_ps(block.inverse[1]));
    const __m512 value = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
    const __m512 pixels = (value * inverse - _mm512_set1_ps(kPixelMean)) * _mm512_set1_ps(kPixelScale);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 planes = _mm512_permutexvar_ps(order, pixels);
    _mm_storeu_ps(r, _mm512_castps512_ps128(planes));
    _mm_storeu_ps(g, _mm512_extractf32x4_ps(planes, 1));
    _mm_storeu_ps(b, _mm512_extractf32x4_ps(planes, 2));
}
#elif defined(__AVX2__)
MF_INLINE __m256 normalise_pair(const PixelBlock<U16x8>& block, int i) {
    const __m128i sums = _mm_unpacklo_epi64((__m128i)block.sums[i], (__m128i)block.sums[i + 2]);
    const __m256 inverse = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(block.inverse[block.more >> i & 1])),
                                                _mm_set1_ps(block.inverse[block.more >> (i + 2) & 1]), 1);
    const __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
    return (value * inverse - _mm256_set1_ps(kPixelMean)) * _mm256_set1_ps(kPixelScale);
}

MF_INLINE void store_planes(const PixelBlock<U16x8>& block, int odd, float* r, float* g, float* b) {
    const __m256 first = normalise_pair(block, odd), second = normalise_pair(block, odd + 4);
    // Unpacked: r0 r2 g0 g2 r1 r3 g1 g3 and b0 b2 - - b1 b3 - -.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256 rg = _mm256_permutevar8x32_ps(_mm256_unpacklo_ps(first, second), order);
    const __m256 bx = _mm256_permutevar8x32_ps(_mm256_unpackhi_ps(first, second), order);
    _mm_storeu_ps(r, _mm256_castps256_ps128(rg));
    _mm_storeu_ps(g, _mm256_extractf128_ps(rg, 1));
    _mm_storeu_ps(b, _mm256_castps256_ps128(bx));
}
#endif

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
