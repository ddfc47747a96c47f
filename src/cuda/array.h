// Arrays in memory of a pool: what the kernels work on where no other library lends them arrays.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda/pool.h"

namespace mtcnn_fast::cuda {

struct ElementType {
    const char* name;  // as in numpy
    const char* code;  // of __cuda_array_interface__
    uint8_t kind;      // of DLPack
    int64_t bytes;
};

// Throws std::invalid_argument for a name that is not known.
const ElementType& element_type(const std::string& name);

// C-contiguous.
struct Array {
    std::shared_ptr<DeviceMemory> memory;
    char* data;
    std::vector<int64_t> shape;
    const ElementType* type;

    int64_t size() const;
    int64_t bytes() const { return size() * type->bytes; }
    int device() const { return memory->stream()->pool()->device(); }
    cudaStream_t stream() const { return memory->stream()->handle(); }

    // Rows `first` to `last` - 1 along the first axis, in the same memory.
    Array rows(int64_t first, int64_t last) const;
    // The same elements in another shape.
    Array reshaped(std::vector<int64_t> new_shape) const;

    pybind11::dict interface() const;
    // A capsule of DLPack, version 1 if the consumer knows it. Its stream, as the protocol numbers it, waits for what
    // is queued on the array's.
    pybind11::capsule export_dlpack(const pybind11::object& stream, const pybind11::object& max_version) const;
};

}  // namespace mtcnn_fast::cuda
