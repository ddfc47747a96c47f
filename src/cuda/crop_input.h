// Rows of a crop's pixels in shared memory, by exact sums over bins of the image. For kernels only.
#pragma once

#include "cuda/column_sums.h"
#include "cuda/crop_axes.h"

namespace mtcnn_fast::cuda {

// A row or column of the crop: pixels of the image, and the size of the bin with what is outside. Edges are cut to
// 2**28, so 32 bits hold them.
struct Edge {
    PixelRange inside;
    int size;
};

template <typename T>
struct CropJob {
    DeviceImage image;
    PixelRange within;  // columns of the image that the crop has
    Edge rows[T::kSide];
    Edge columns[T::kSide];
};

__device__ __forceinline__ Edge find_edge(const Span& span, int i, int side) {
    const Axis axis = crop_axis(span, i, side);
    return {{static_cast<int>(axis.inside.begin), static_cast<int>(axis.inside.end)},
            static_cast<int>(axis.bin.size())};
}

// Any image: a thread or, where bins are large, a warp reads the pixels of a bin.
template <typename T>
__device__ __forceinline__ void fill_by_pixel(const CropJob<T>& job, bool by_warp, int first, int rows, float* input) {
    const int sharers = by_warp ? kWarp : 1, lane = static_cast<int>(threadIdx.x) % sharers;
    for (int i = static_cast<int>(threadIdx.x) / sharers; i < rows * T::kInputStride; i += T::kThreads / sharers) {
        const int row = first + i / T::kInputStride, column = i % T::kInputStride;
        float values[3] = {0.0f, 0.0f, 0.0f};
        if (row < T::kSide && column < T::kSide) {
            const Edge y = job.rows[row], x = job.columns[column];
            const Bin down{y.inside.begin, y.inside.end}, across{x.inside.begin, x.inside.end};
            bin_pixel(job.image, down, across, inverse_area(int64_t{y.size} * x.size), by_warp, lane, values);
        }
        if (lane != 0) continue;
        for (int c = 0; c < 3; ++c) input[c * T::kInputPlane + i] = values[c];
    }
    __syncthreads();
}

// Rows [from, from + count) of `rows` that begin with the crop's row `first`, from the sums of columns over each.
template <typename T>
__device__ __forceinline__ void sum_rows(const CropJob<T>& job, const ColumnSums& sums, int first, int from, int count,
                                         const uint16_t* columns, float* input) {
    for (int i = static_cast<int>(threadIdx.x); i < count * T::kInputStride; i += T::kThreads) {
        const int row = i / T::kInputStride, column = i % T::kInputStride;
        float* const to = input + from * T::kInputStride + i;
        if (first + from + row >= T::kSide || column >= T::kSide) {
            for (int c = 0; c < 3; ++c) to[c * T::kInputPlane] = 0.0f;
            continue;
        }
        const Edge x = job.columns[column];
        const ChannelSums total = sum_row(sums, columns + row * sums.stride, x.inside);
        const float inverse = inverse_area(int64_t{job.rows[first + from + row].size} * x.size);
        for (int c = 0; c < 3; ++c) to[c * T::kInputPlane] = normalise_sum(total.c[c], inverse);
    }
    __syncthreads();
}

// The crop's pixels by channel, from its row `first` on; 0 beyond the crop. `scratch` has `room` numbers.
template <typename T>
__device__ __forceinline__ void fill_input(const CropJob<T>& job, bool by_warp, int first, int rows, float* input,
                                           uint16_t* scratch, int room) {
    const ColumnSums sums = column_sums(job.image, job.within);
    // Sizes of bins differ by one.
    if (!sums_fit(job.image, sums, job.rows[0].size + 1, job.columns[0].size + 1, room)) {
        fill_by_pixel(job, by_warp, first, rows, input);
        return;
    }
    const int together = room / sums.stride;
    for (int from = 0; from < rows; from += together) {
        const int count = rows - from < together ? rows - from : together;
        const auto rows_at = [&](int i) {
            const int row = first + from + i;
            return row < T::kSide ? job.rows[row].inside : PixelRange{0, 0};
        };
        sum_columns<T::kThreads>(job.image, sums, count, rows_at, scratch);
        sum_rows(job, sums, first, from, count, scratch, input);
    }
}

}  // namespace mtcnn_fast::cuda
