// Images in device memory, as the kernels' tables describe them.
#pragma once

#include <stdint.h>

namespace mtcnn_fast::cuda {

// Element type of the images that the kernels write.
enum class DType { kFloat32, kFloat16 };

// Bytes of an RGB image in device memory: pixel (row, column, channel) is at data[row * row_stride +
// column * pixel_stride + channel * channel_stride]. HWC with any pitch, and CHW.
struct DeviceImage {
    const uint8_t* data;
    int64_t row_stride;
    int64_t pixel_stride;
    int64_t channel_stride;
    int32_t height;
    int32_t width;
};

// From this many pixels a bin is summed by a whole warp instead of one thread: below, most lanes would idle.
inline constexpr int64_t kSharedBinArea = 64;

}  // namespace mtcnn_fast::cuda
