// Exact sums over bins of device images, and the stores of the results.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "common/resample.h"
#include "cuda/images.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

// 64-bit division costs several times a 32-bit one, and most products fit it.
inline constexpr int64_t kNarrow = int64_t{1} << 31;

__device__ __forceinline__ Bin device_bin(int64_t i, int64_t n_in, int64_t n_out) {
    if ((n_out + 1) * n_in >= kNarrow) return area_bin(i, n_in, n_out);
    const uint32_t in = static_cast<uint32_t>(n_in), out = static_cast<uint32_t>(n_out), k = static_cast<uint32_t>(i);
    return {k * in / out, ((k + 1) * in + out - 1) / out};
}

struct ChannelSums {
    uint32_t c[3];
};

__device__ __forceinline__ void add_pixel(const DeviceImage& image, int64_t row, int64_t column, ChannelSums& sums) {
    const uint8_t* pixel = image.data + row * image.row_stride + column * image.pixel_stride;
    sums.c[0] += pixel[0];
    sums.c[1] += pixel[image.channel_stride];
    sums.c[2] += pixel[2 * image.channel_stride];
}

// Sum of rows x columns by one thread.
__device__ __forceinline__ ChannelSums sum_bin(const DeviceImage& image, Bin rows, Bin columns) {
    ChannelSums sums{};
    for (int64_t y = rows.begin; y < rows.end; ++y) {
        for (int64_t x = columns.begin; x < columns.end; ++x) add_pixel(image, y, x, sums);
    }
    return sums;
}

__device__ __forceinline__ uint64_t warp_sum(uint32_t value) {
    // 64 bits only here: a lane's share of any bin that fits in memory fits 32.
    unsigned long long sum = value;
    for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(kWholeWarp, sum, lanes);
    return sum;
}

// Sum of rows x columns by a whole warp, which must call it together; every lane gets the result. The lanes take
// neighbouring pixels, running on over the ends of rows.
__device__ __forceinline__ void sum_bin_by_warp(const DeviceImage& image, Bin rows, Bin columns, int lane,
                                                uint64_t (&total)[3]) {
    ChannelSums sums{};
    const int64_t width = columns.end - columns.begin;
    if (width > 0 && rows.begin < rows.end) {
        const int64_t down = kWarp / width, along = kWarp % width;
        int64_t y = rows.begin + lane / width, x = lane % width;
        while (y < rows.end) {
            add_pixel(image, y, columns.begin + x, sums);
            y += down;
            x += along;
            if (x >= width) {
                x -= width;
                ++y;
            }
        }
    }
    for (int c = 0; c < 3; ++c) total[c] = warp_sum(sums.c[c]);
}

// The channels of a bin that is not empty. With `by_warp` a whole warp must call it together.
__device__ __forceinline__ void bin_pixel(const DeviceImage& image, Bin rows, Bin columns, float inverse, bool by_warp,
                                          int lane, float (&values)[3]) {
    if (by_warp) {
        uint64_t sums[3];
        sum_bin_by_warp(image, rows, columns, lane, sums);
        for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums[c], inverse);
    } else {
        const ChannelSums sums = sum_bin(image, rows, columns);
        for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums.c[c], inverse);
    }
}

__device__ __forceinline__ void store(float* to, float value) { *to = value; }
__device__ __forceinline__ void store(__half* to, float value) { *to = __float2half_rn(value); }

}  // namespace mtcnn_fast::cuda
