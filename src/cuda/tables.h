// Tables that the host plans and the caller copies to the device: checks of what they describe, and their bytes.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/images.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

// Appends the bytes of `items`, aligned to 16, and returns where they begin.
template <typename T>
size_t append_table(std::vector<std::byte>& bytes, const std::vector<T>& items) {
    const size_t at = divide_up<size_t>(bytes.size(), 16) * 16;
    bytes.resize(at + items.size() * sizeof(T));
    if (!items.empty()) std::memcpy(bytes.data() + at, items.data(), items.size() * sizeof(T));
    return at;
}

inline void check_images(const std::vector<DeviceImage>& images) {
    for (size_t i = 0; i < images.size(); ++i) {
        const std::string name = "images[" + std::to_string(i) + "]";
        require(images[i].height >= 1 && images[i].width >= 1, name + " must have at least one pixel, got " +
                                                                   std::to_string(images[i].height) + " x " +
                                                                   std::to_string(images[i].width));
        require(images[i].data != nullptr, name + " must not be a null pointer");
    }
}

// The index of a level's image, and its size, which is at least `least` pixels a side.
inline void check_level(size_t index, int32_t image, int32_t height, int32_t width, size_t images, int least) {
    const std::string name = "levels[" + std::to_string(index) + "]";
    require(image >= 0 && static_cast<size_t>(image) < images,
            name + " must refer to one of the " + std::to_string(images) + " images, got " + std::to_string(image));
    require(height >= least && width >= least, name + " must have a size of at least " + std::to_string(least) + " x " +
                                                   std::to_string(least) + ", got " + std::to_string(height) + " x " +
                                                   std::to_string(width));
}

// Whether bins are so large that a warp shares one.
inline bool shares_bins(const DeviceImage& image, int32_t height, int32_t width) {
    const int64_t rows = image.height / height + 1, columns = image.width / width + 1;
    return rows * columns >= kSharedBinArea;
}

}  // namespace mtcnn_fast::cuda
