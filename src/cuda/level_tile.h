// A tile of a level's pixels in shared memory, by exact sums over bins of the image. For kernels only.
#pragma once

#include "cuda/column_sums.h"
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
    PixelRange rows[T::kInputY];
    PixelRange columns[T::kInputX];
};

__device__ __forceinline__ PixelRange level_bin(int i, int32_t n_in, int32_t n_out) {
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

// Any image: a thread or, where bins are large, a warp reads the pixels of a bin.
template <typename T>
__device__ __forceinline__ void fill_by_pixel(const TileJob& job, const TileBins<T>& bins, float* input) {
    const DeviceImage image = job.image;
    const bool by_warp = job.level.by_warp != 0;
    const int sharers = by_warp ? kWarp : 1, lane = static_cast<int>(threadIdx.x) % sharers;
    for (int i = static_cast<int>(threadIdx.x) / sharers; i < T::kInputY * T::kInputX; i += T::kThreads / sharers) {
        const PixelRange y = bins.rows[i / T::kInputX], x = bins.columns[i % T::kInputX];
        const Bin rows{y.begin, y.end}, columns{x.begin, x.end};
        const int64_t area = rows.size() * columns.size();
        float values[3] = {0.0f, 0.0f, 0.0f};
        if (area != 0) bin_pixel(image, rows, columns, inverse_area(area), by_warp, lane, values);
        if (lane == 0) T::put(input, i, values);
    }
    __syncthreads();
}

// The pixels of rows [first, first + count) of the tile, from the sums of columns over each.
template <typename T>
__device__ __forceinline__ void sum_rows(const TileBins<T>& bins, const ColumnSums& sums, int first, int count,
                                         const uint16_t* columns, float* input) {
    for (int i = static_cast<int>(threadIdx.x); i < count * T::kInputX; i += T::kThreads) {
        const int row = i / T::kInputX;
        const PixelRange y = bins.rows[first + row], x = bins.columns[i % T::kInputX];
        const int area = y.size() * x.size();
        const ChannelSums total = sum_row(sums, columns + row * sums.stride, x);
        const float inverse = inverse_area(area == 0 ? 1 : area);
        float values[3];
        for (int c = 0; c < 3; ++c) values[c] = area == 0 ? 0.0f : normalise_sum(total.c[c], inverse);
        T::put(input, first * T::kInputX + i, values);
    }
    __syncthreads();
}

// The level's pixels, from the image, as `T::put` stores them; 0 beyond the level, where no cell that is written looks.
// `scratch` has `T::kScratch` floats.
template <typename T>
__device__ __forceinline__ void fill_input(const TileJob& job, const TileBins<T>& bins, float* input, float* scratch) {
    constexpr int kRoom = 2 * T::kScratch;
    const DeviceImage& image = job.image;
    const int beyond = job.level.width - 2 * job.column, last = (beyond < T::kInputX ? beyond : T::kInputX) - 1;
    const ColumnSums sums = column_sums(image, {bins.columns[0].begin, bins.columns[last].end});
    const int most_rows = image.height / job.level.height + 2, most_columns = image.width / job.level.width + 2;
    if (!sums_fit(image, sums, most_rows, most_columns, kRoom)) {
        fill_by_pixel(job, bins, input);
        return;
    }
    uint16_t* const columns = reinterpret_cast<uint16_t*>(scratch);
    const int together = kRoom / sums.stride;
    for (int first = 0; first < T::kInputY; first += together) {
        const int count = T::kInputY - first < together ? T::kInputY - first : together;
        sum_columns<T::kThreads>(image, sums, count, [&](int i) { return bins.rows[first + i]; }, columns);
        sum_rows(bins, sums, first, count, columns, input);
    }
}

}  // namespace mtcnn_fast::cuda
