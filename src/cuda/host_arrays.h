// A network's tensors as Python gives them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <map>
#include <string>

#include "cuda/host_tensors.h"

namespace mtcnn_fast::cuda {

using HostArrays =
    std::map<std::string, pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>>;

// The arrays must live while the result is read.
inline HostTensors host_tensors(const HostArrays& arrays) {
    HostTensors described;
    for (const auto& [name, array] : arrays) {
        described[name] = {array.data(), {array.shape(), array.shape() + array.ndim()}};
    }
    return described;
}

}  // namespace mtcnn_fast::cuda
