// Exact sums over bins of an image by way of its columns: a column's sum over the rows of a bin serves all channels and
// every bin beside it. Sums are integers, so the order does not matter. For kernels only.
#pragma once

#include "cuda/pixels.h"

namespace mtcnn_fast::cuda {

// Pixels [begin, end) along an axis; none where end <= begin.
struct PixelRange {
    int begin;
    int end;

    MF_HD int size() const { return end - begin; }
};

// The bytes of an image's rows whose sums a block holds in shared memory, `stride` numbers of 16 bits for each bin.
struct ColumnSums {
    int first;  // byte in a row; a multiple of four where `words`
    int stride;
    bool words;  // rows can be read four bytes at a time
};

// For columns of an image whose pixels are packed RGB.
__device__ __forceinline__ ColumnSums column_sums(const DeviceImage& image, PixelRange columns) {
    const bool words = (reinterpret_cast<uintptr_t>(image.data) | static_cast<uintptr_t>(image.row_stride) |
                        static_cast<uintptr_t>(3 * image.width)) %
                           4 ==
                       0;
    const int first = words ? 3 * columns.begin / 4 * 4 : 3 * columns.begin;
    return {first, divide_up(3 * columns.end - first, 4) * 4, words};
}

// Whether the sums of bins of no more rows and columns fit their types, and a row of them `room` numbers.
__device__ __forceinline__ bool sums_fit(const DeviceImage& image, const ColumnSums& sums, int64_t rows,
                                         int64_t columns, int room) {
    constexpr int kMostRows = 65535 / 255, kMostPixels = 0xffffffffu / 255;
    return image.pixel_stride == 3 && image.channel_stride == 1 && sums.stride <= room && rows <= kMostRows &&
           rows * columns <= kMostPixels;
}

// Rows and columns that are read at once: where images are reduced little, bins have no more.
constexpr int kRowsTogether = 4, kColumnsTogether = 3;

// Four bytes at a time, in two words with a sum in each half.
__device__ __forceinline__ void sum_words(const uint8_t* from, int64_t row_stride, int rows, uint32_t* to) {
    constexpr uint32_t kEven = 0x00ff00ffu;
    uint32_t even = 0, odd = 0;
    MF_NO_UNROLL
    for (int y = 0; y < rows; y += kRowsTogether) {
        uint32_t words[kRowsTogether];
        MF_UNROLL
        for (int k = 0; k < kRowsTogether; ++k) {
            words[k] = y + k < rows ? *reinterpret_cast<const uint32_t*>(from) : 0;
            from += row_stride;
        }
        MF_UNROLL
        for (int k = 0; k < kRowsTogether; ++k) {
            even += words[k] & kEven;
            odd += words[k] >> 8 & kEven;
        }
    }
    to[0] = (even & 0xffffu) | odd << 16;
    to[1] = even >> 16 | (odd & 0xffff0000u);
}

__device__ __forceinline__ void sum_bytes(const uint8_t* from, int64_t row_stride, int rows, uint16_t* to) {
    uint32_t sum = 0;
    MF_NO_UNROLL
    for (int y = 0; y < rows; y += kRowsTogether) {
        MF_UNROLL
        for (int k = 0; k < kRowsTogether; ++k) {
            sum += y + k < rows ? *from : 0;
            from += row_stride;
        }
    }
    *to = static_cast<uint16_t>(sum);
}

// Sums of the columns over the rows of each of `count` bins, which `rows_at(i)` returns. A warp of the block has a bin,
// its lanes neighbouring bytes.
template <int kThreads, typename RowsAt>
__device__ __forceinline__ void sum_columns(const DeviceImage& image, const ColumnSums& sums, int count,
                                            const RowsAt& rows_at, uint16_t* to) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp, end = 3 * image.width - sums.first;
    for (int i = static_cast<int>(threadIdx.x) / kWarp; i < count; i += kThreads / kWarp) {
        const PixelRange rows = rows_at(i);
        const uint8_t* const from = image.data + rows.begin * image.row_stride + sums.first;
        uint16_t* const own = to + i * sums.stride;
        if (sums.words) {
            for (int k = 4 * lane; k < sums.stride; k += 4 * kWarp) {
                sum_words(from + k, image.row_stride, rows.size(), reinterpret_cast<uint32_t*>(own + k));
            }
        } else {
            for (int k = lane; k < sums.stride && k < end; k += kWarp) {
                sum_bytes(from + k, image.row_stride, rows.size(), own + k);
            }
        }
    }
    __syncthreads();
}

// The sums of one bin of columns, from those of its rows.
__device__ __forceinline__ ChannelSums sum_row(const ColumnSums& sums, const uint16_t* row, PixelRange columns) {
    ChannelSums total{};
    const uint16_t* from = row + (3 * columns.begin - sums.first);
    MF_NO_UNROLL
    for (int x = columns.begin; x < columns.end; x += kColumnsTogether, from += 3 * kColumnsTogether) {
        MF_UNROLL
        for (int k = 0; k < 3 * kColumnsTogether; ++k) total.c[k % 3] += x + k / 3 < columns.end ? from[k] : 0;
    }
    return total;
}

}  // namespace mtcnn_fast::cuda
