// What the bindings share: checks of arrays and of numbers, and the poll for signals.
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

// The elements of a C-contiguous array of exactly this type and shape; -1 is any size.
template <typename T>
const T* elements(const char* name, const char* expected, const py::array& array,
                  const std::vector<py::ssize_t>& shape) {
    bool matches = py::isinstance<py::array_t<T, py::array::c_style>>(array) &&
                   array.ndim() == static_cast<py::ssize_t>(shape.size());
    for (std::size_t i = 0; matches && i < shape.size(); ++i) {
        matches = shape[i] < 0 || array.shape(static_cast<py::ssize_t>(i)) == shape[i];
    }
    if (!matches) {
        throw py::value_error(std::string(name) + " must be a C-contiguous array " + expected + ", got " +
                              describe(array));
    }
    return static_cast<const T*>(array.data());
}

inline ImageView image_view(const py::array& image) {
    const auto* const data = elements<std::uint8_t>("image", "(H, W, 3) uint8", image, {-1, -1, 3});
    if (image.size() == 0) throw py::value_error("image must have pixels, got " + describe(image));
    return {data, image.strides(0), image.shape(0), image.shape(1)};
}

inline void require(bool condition, const char* what, py::ssize_t got) {
    if (!condition) throw py::value_error(std::string(what) + ", got " + std::to_string(got));
}

inline constexpr py::ssize_t kMaxThreads = 1024;

inline void require_threads(py::ssize_t num_threads) {
    require(num_threads >= 1 && num_threads <= kMaxThreads, "num_threads must be from 1 to 1024", num_threads);
}

// Lets a signal, such as Ctrl-C, end a run.
inline void check_signals() {
    const py::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace mtcnn_fast
