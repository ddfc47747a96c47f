// Arrays of other libraries in device memory, as they come from Python.
#pragma once

#include <cuda_runtime.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mtcnn_fast::cuda {

struct Array;

// Work queued on `stream` from now on runs after what `producer` has queued so far. Both are streams of the current
// device.
void order_after(cudaStream_t producer, cudaStream_t stream);

// Of a number in Python's protocols, which write the legacy default stream as 1 and the per-thread one as 2, like the
// runtime's own handles.
inline cudaStream_t stream_of(uint64_t number) { return reinterpret_cast<cudaStream_t>(number == 1 ? 0 : number); }

// What a Python object says of its memory: an `Array` of this module, or any by `__cuda_array_interface__` (version 2
// or 3) or else by DLPack. While it lives, the object's memory does.
class DeviceArray {
  public:
    // `stream` is the one that the caller will use the memory on; a producer on another one is waited for there. Throws
    // pybind11's TypeError and ValueError with `name` in the text.
    DeviceArray(const char* name, const pybind11::object& object, cudaStream_t stream);

    const std::vector<int64_t>& shape() const { return shape_; }
    int64_t size() const;
    int device() const { return device_; }
    const void* address() const { return data_; }
    // In bytes, one for each axis.
    std::vector<int64_t> strides() const;
    const std::string& dtype() const { return dtype_; }

    // The memory, once it is known to be C-contiguous, of this dtype ("float32", ...) and shape (-1: any), and writable
    // if `writable`. `expected` describes that in words.
    void* data(const char* dtype, const std::vector<int64_t>& shape, bool writable) const;
    std::string describe() const;

  private:
    void read_own(const Array& array);
    void read_interface(const pybind11::dict& interface);
    void read_dlpack(const pybind11::object& object, cudaStream_t stream);
    void find_device();
    void wait_for_producer(cudaStream_t stream) const;
    bool contiguous() const;

    std::string name_;
    pybind11::object owner_;
    void* data_ = nullptr;
    std::vector<int64_t> shape_;
    std::vector<int64_t> strides_;  // in bytes; empty: C-contiguous
    std::string dtype_;
    int64_t item_size_ = 0;
    uint64_t producer_ = 0;  // number of the stream that writes the memory; 0: none is known
    int device_ = 0;
    bool read_only_ = false;
};

}  // namespace mtcnn_fast::cuda
