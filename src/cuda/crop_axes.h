// Where the pixels of a crop come from. For kernels only.
#pragma once

#include "cuda/crop_pad_resize.h"
#include "cuda/pixels.h"

namespace mtcnn_fast::cuda {

struct Axis {
    Bin bin;
    Bin inside;  // the part of the bin inside the image
};

__device__ __forceinline__ Axis crop_axis(const Span& span, int i, int size) {
    const Bin bin = device_bin(i, span.size(), size);
    const int64_t begin = span.begin + bin.begin, end = span.begin + bin.end;
    return {bin,
            {begin > span.inside_begin ? begin : span.inside_begin, end < span.inside_end ? end : span.inside_end}};
}

// False also for a box beyond the count or with a bad index, so that no thread reads through one.
__device__ __forceinline__ bool find_window(const CropList& a, int64_t candidate, DeviceImage& image,
                                            CropWindow& window) {
    if (a.count != nullptr && candidate >= *a.count) return false;
    const int32_t index = a.image_index[candidate];
    if (index < 0 || index >= a.image_count) return false;
    image = a.images[index];
    window = crop_window(a.boxes[candidate], image.height, image.width, a.border);
    return window.valid();
}

// Whether bins are so large that a warp shares one.
__device__ __forceinline__ bool shares_bins(const CropWindow& window, int size) {
    return (window.y.size() / size + 1) * (window.x.size() / size + 1) >= kSharedBinArea;
}

}  // namespace mtcnn_fast::cuda
