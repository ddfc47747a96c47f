// A tile of a level's pixels in shared memory, by exact sums over bins of the image. For kernels only.
#pragma once

#include "cuda/pixels.h"
#include "cuda/pnet_plan.h"

namespace mtcnn_fast::cuda {

// What a block works on; in shared memory, because registers are scarce. Its tile begins with the cell (row, column),
// and with the level's pixel at twice that place.
struct TileJob {
    PNetLevel level;
    DeviceImage image;
    int row;
    int column;
};

// The bins of the tile's rows and columns; beyond the level they are empty.
template <typename T>
struct TileBins {
    int2 rows[T::kInputY];
    int2 columns[T::kInputX];
};

__device__ __forceinline__ int2 level_bin(int i, int32_t n_in, int32_t n_out) {
    if (i >= n_out) return {0, 0};
    const Bin bin = device_bin(i, n_in, n_out);
    return {static_cast<int>(bin.begin), static_cast<int>(bin.end)};
}

template <typename T>
__device__ __forceinline__ void find_bins(const TileJob& job, TileBins<T>& bins) {
    for (int i = static_cast<int>(threadIdx.x); i < T::kInputY + T::kInputX; i += T::kThreads) {
        if (i < T::kInputY) {
            bins.rows[i] = level_bin(2 * job.row + i, job.image.height, job.level.height);
        } else {
            bins.columns[i - T::kInputY] = level_bin(2 * job.column + i - T::kInputY, job.image.width, job.level.width);
        }
    }
    __syncthreads();
}

// Pixel `i` of the tile, row by row.
template <typename T>
__device__ __forceinline__ float* tile_pixel(float* input, int i) {
    return input + i / T::kInputX * T::kInputStride + i % T::kInputX;
}

// Any image: a thread or, where bins are large, a warp reads the pixels of a bin.
template <typename T>
__device__ __forceinline__ void fill_by_pixel(const TileJob& job, const TileBins<T>& bins, float* input) {
    const DeviceImage image = job.image;
    const bool by_warp = job.level.by_warp != 0;
    const int sharers = by_warp ? kWarp : 1, lane = static_cast<int>(threadIdx.x) % sharers;
    for (int i = static_cast<int>(threadIdx.x) / sharers; i < T::kInputY * T::kInputX; i += T::kThreads / sharers) {
        const int2 y = bins.rows[i / T::kInputX], x = bins.columns[i % T::kInputX];
        const Bin rows{y.x, y.y}, columns{x.x, x.y};
        const int64_t area = rows.size() * columns.size();
        float values[3] = {0.0f, 0.0f, 0.0f};
        if (area != 0) {
            const float inverse = inverse_area(area);
            if (by_warp) {
                uint64_t sums[3];
                sum_bin_by_warp(image, rows, columns, lane, sums);
                for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums[c], inverse);
            } else {
                const ChannelSums sums = sum_bin(image, rows, columns);
                for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums.c[c], inverse);
            }
        }
        if (lane != 0) continue;
        for (int c = 0; c < 3; ++c) tile_pixel<T>(input, i)[c * T::kInputPlane] = values[c];
    }
    __syncthreads();
}

// The bytes of the image's rows that a tile looks at, where a row is packed RGB. Sums of columns over the rows of a bin
// lie in shared memory, `stride` numbers of 16 bits for each row of the tile.
struct TileBytes {
    int first;  // byte in a row; a multiple of four where `words`
    int stride;
    bool words;  // rows can be read four bytes at a time
};

// 255 * 257 fits 16 bits.
constexpr int kMostRowsOfSum = 257;

template <typename T>
__device__ __forceinline__ TileBytes find_bytes(const TileJob& job, const TileBins<T>& bins) {
    const DeviceImage& image = job.image;
    const int left = job.level.width - 2 * job.column, last = (left < T::kInputX ? left : T::kInputX) - 1;
    const int first = 3 * bins.columns[0].x, end = 3 * bins.columns[last].y;
    const bool words = (reinterpret_cast<uintptr_t>(image.data) | static_cast<uintptr_t>(image.row_stride) |
                        static_cast<uintptr_t>(3 * image.width)) %
                           4 ==
                       0;
    const int begin = words ? first / 4 * 4 : first;
    return {begin, divide_up(end - begin, 4) * 4, words};
}

// Whether the sums of a row's columns fit `room` numbers of 16 bits, and their own type, and a bin's fit 32 bits.
template <typename T>
__device__ __forceinline__ bool sums_by_column(const TileJob& job, const TileBytes& bytes, int room) {
    const DeviceImage& image = job.image;
    const int64_t down = image.height / job.level.height + 2, across = image.width / job.level.width + 2;
    return image.pixel_stride == 3 && image.channel_stride == 1 && bytes.stride <= room && down <= kMostRowsOfSum &&
           down * across < (1 << 24);
}

// Rows and columns that are read at once: most bins have no more on the large levels.
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

// Sums of the columns for rows [first, first + count) of the tile; a warp has a row, its lanes neighbouring bytes.
template <typename T>
__device__ __forceinline__ void sum_columns(const TileJob& job, const TileBins<T>& bins, const TileBytes& bytes,
                                            int first, int count, uint16_t* sums) {
    const DeviceImage image = job.image;
    const int lane = static_cast<int>(threadIdx.x) % kWarp, end = 3 * image.width;
    for (int r = static_cast<int>(threadIdx.x) / kWarp; r < count; r += T::kThreads / kWarp) {
        const int2 rows = bins.rows[first + r];
        const uint8_t* const row = image.data + rows.x * image.row_stride + bytes.first;
        uint16_t* const to = sums + r * bytes.stride;
        if (bytes.words) {
            for (int i = 4 * lane; i < bytes.stride; i += 4 * kWarp) {
                sum_words(row + i, image.row_stride, rows.y - rows.x, reinterpret_cast<uint32_t*>(to + i));
            }
        } else {
            for (int i = lane; i < bytes.stride && bytes.first + i < end; i += kWarp) {
                sum_bytes(row + i, image.row_stride, rows.y - rows.x, to + i);
            }
        }
    }
    __syncthreads();
}

// The pixels of the same rows.
template <typename T>
__device__ __forceinline__ void sum_rows(const TileBins<T>& bins, const TileBytes& bytes, int first, int count,
                                         const uint16_t* sums, float* input) {
    for (int i = static_cast<int>(threadIdx.x); i < count * T::kInputX; i += T::kThreads) {
        const int r = i / T::kInputX;
        const int2 y = bins.rows[first + r], x = bins.columns[i % T::kInputX];
        const int area = (y.y - y.x) * (x.y - x.x);
        ChannelSums total{};
        const uint16_t* from = sums + r * bytes.stride + 3 * x.x - bytes.first;
        MF_NO_UNROLL
        for (int k = x.x; area != 0 && k < x.y; k += kColumnsTogether, from += 3 * kColumnsTogether) {
            MF_UNROLL
            for (int j = 0; j < 3 * kColumnsTogether; ++j) total.c[j % 3] += k + j / 3 < x.y ? from[j] : 0;
        }
        const float inverse = inverse_area(area == 0 ? 1 : area);
        float* const to = tile_pixel<T>(input, first * T::kInputX + i);
        for (int c = 0; c < 3; ++c) {
            to[c * T::kInputPlane] = area == 0 ? 0.0f : normalise_sum(total.c[c], inverse);
        }
    }
    __syncthreads();
}

// The level's pixels by channel, from the image; 0 beyond the level, where no cell that is written looks. Sums are
// integers, so the order does not matter. `scratch` has `T::kScratch` floats.
template <typename T>
__device__ __forceinline__ void fill_input(const TileJob& job, const TileBins<T>& bins, float* input, float* scratch) {
    constexpr int kRoom = 2 * T::kScratch;
    const TileBytes bytes = find_bytes(job, bins);
    if (!sums_by_column<T>(job, bytes, kRoom)) {
        fill_by_pixel(job, bins, input);
        return;
    }
    uint16_t* const sums = reinterpret_cast<uint16_t*>(scratch);
    const int together = kRoom / bytes.stride;
    for (int first = 0; first < T::kInputY; first += together) {
        const int count = T::kInputY - first < together ? T::kInputY - first : together;
        sum_columns(job, bins, bytes, first, count, sums);
        sum_rows(bins, bytes, first, count, sums, input);
    }
}

}  // namespace mtcnn_fast::cuda
