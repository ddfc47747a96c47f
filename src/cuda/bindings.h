// What the bindings share: images as Python describes them, tables as bytes, element types.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/call.h"
#include "cuda/crop_pad_resize.h"
#include "cuda/images.h"

namespace mtcnn_fast::cuda {

// `_cuda.Image`: an image in device memory, with strides in bytes.
struct ImageView {
    uintptr_t address;
    int64_t row_stride;
    int64_t pixel_stride;
    int64_t channel_stride;
    int32_t height;
    int32_t width;
};

inline std::vector<DeviceImage> device_images(const std::vector<ImageView>& images) {
    std::vector<DeviceImage> table;
    for (const ImageView& image : images) {
        table.push_back({reinterpret_cast<const uint8_t*>(image.address), image.row_stride, image.pixel_stride,
                         image.channel_stride, image.height, image.width});
    }
    return table;
}

template <typename T>
pybind11::bytes bytes_of(const std::vector<T>& items) {
    return {reinterpret_cast<const char*>(items.data()), items.size() * sizeof(T)};
}

inline DType float_type(const DeviceArray& array, const char* name) {
    require(array.dtype() == "float32" || array.dtype() == "float16",
            std::string(name) + " must be float32 or float16, got " + array.dtype());
    return array.dtype() == "float32" ? DType::kFloat32 : DType::kFloat16;
}

// A table of structures that a function of this module made as bytes, named in `made_by`.
template <typename T>
struct Table {
    const T* items;
    int count;
};

template <typename T>
Table<T> read_table(Call& call, const char* name, const pybind11::object& object, const char* made_by) {
    const DeviceArray& array = call.array(name, object);
    const void* memory = array.data("uint8", {-1}, false);
    require(array.size() % static_cast<int64_t>(sizeof(T)) == 0,
            std::string(name) + " must be the bytes of " + made_by + ", got " + std::to_string(array.size()));
    return {static_cast<const T*>(memory), static_cast<int>(array.size() / static_cast<int64_t>(sizeof(T)))};
}

// What is cropped; images are an image_table.
inline void read_crop_list(Call& call, const pybind11::object& images, const pybind11::object& boxes,
                           const pybind11::object& image_index, const pybind11::object& count, bool zero_border,
                           CropList& list) {
    const Table<DeviceImage> table = read_table<DeviceImage>(call, "images", images, "an image_table");
    list.images = table.items;
    list.image_count = table.count;
    const DeviceArray& corners = call.array("boxes", boxes);
    list.boxes = static_cast<const Box*>(corners.data("float32", {-1, 4}, false));
    list.capacity = corners.shape()[0];
    list.image_index = call.in<int32_t>("image_index", image_index, {list.capacity});
    list.count = call.optional_in<int32_t>("count", count, {1});
    list.border = zero_border ? Border::kZero : Border::kClip;
}

// Memory that a launcher works in.
struct WorkspaceMemory {
    void* memory;
    size_t bytes;
};

inline WorkspaceMemory read_workspace(Call& call, const pybind11::object& object) {
    const DeviceArray& array = call.array("workspace", object);
    return {array.data("uint8", {-1}, true), static_cast<size_t>(array.size())};
}

}  // namespace mtcnn_fast::cuda
