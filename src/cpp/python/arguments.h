// Checks of arrays and numbers that the parts of the module share.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cpp/image_view.h"

namespace mtcnn_fast {

namespace py = pybind11;

inline std::string describe(const py::array& array) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) text += (i > 0 ? ", " : "") + std::to_string(array.shape(i));
    text += array.ndim() == 1 ? ",) " : ") ";
    text += py::str(array.dtype()).cast<std::string>();
    return text + ((array.flags() & py::array::c_style) != 0 ? "" : ", not C-contiguous");
}

// Whether an array is C-contiguous and of exactly this type and shape; -1 is any size.
template <typename T>
bool matches(const py::array& array, const std::vector<py::ssize_t>& shape) {
    if (!py::isinstance<py::array_t<T, py::array::c_style>>(array)) return false;
    if (array.ndim() != static_cast<py::ssize_t>(shape.size())) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] >= 0 && array.shape(static_cast<py::ssize_t>(i)) != shape[i]) return false;
    }
    return true;
}

// The elements of an array that `matches`; ValueError for another.
template <typename T>
const T* elements(const char* name, const char* expected, const py::array& array,
                  const std::vector<py::ssize_t>& shape) {
    if (!matches<T>(array, shape)) {
        throw py::value_error(std::string(name) + " must be a C-contiguous array " + expected + ", got " +
                              describe(array));
    }
    return static_cast<const T*>(array.data());
}

[[noreturn]] inline void throw_image_error(const std::string& text) {
    py::set_error(py::module_::import("mtcnn_fast.errors").attr("ImageError"), text.c_str());
    throw py::error_already_set();
}

// The pixels of an array; ImageError for one that is no image or has a side of more than `max_side` pixels.
inline ImageView image_view(const py::array& image, std::int64_t max_side = kMaxImageSide) {
    if (!matches<std::uint8_t>(image, {-1, -1, 3})) {
        throw_image_error("image must be a C-contiguous array (H, W, 3) uint8, got " + describe(image));
    }
    if (image.size() == 0) throw_image_error("image must have pixels, got " + describe(image));
    if (image.shape(0) > max_side || image.shape(1) > max_side) {
        throw_image_error("image must have at most " + std::to_string(max_side) + " pixels a side, got " +
                          describe(image));
    }
    return {static_cast<const std::uint8_t*>(image.data()), image.strides(0), image.shape(0), image.shape(1)};
}

inline void require(bool condition, const char* what, py::ssize_t got) {
    if (!condition) throw py::value_error(std::string(what) + ", got " + std::to_string(got));
}

inline constexpr py::ssize_t kMaxThreads = 1024;

inline void require_threads(py::ssize_t num_threads) {
    require(num_threads >= 1 && num_threads <= kMaxThreads, "num_threads must be from 1 to 1024", num_threads);
}

}  // namespace mtcnn_fast
