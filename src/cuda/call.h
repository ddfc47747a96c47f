// One call from Python: its stream, its arrays and the device that all of them are on.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <list>
#include <string>
#include <type_traits>
#include <vector>

#include "common/boxes.h"
#include "cuda/device_array.h"
#include "cuda/driver.h"
#include "cuda/errors.h"
#include "cuda/gil.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

template <typename T>
constexpr const char* dtype_of() {
    if constexpr (std::is_same_v<T, float>) return "float32";
    if constexpr (std::is_same_v<T, int32_t>) return "int32";
    if constexpr (std::is_same_v<T, int64_t>) return "int64";
    if constexpr (std::is_same_v<T, uint8_t>) return "uint8";
    if constexpr (std::is_same_v<T, bool>) return "bool";
}

class Call {
  public:
    explicit Call(uint64_t stream) : stream_(reinterpret_cast<cudaStream_t>(stream)) {}

    cudaStream_t stream() const { return stream_; }

    const DeviceArray& array(const char* name, const pybind11::object& object) {
        // The object's own methods run here, in Python.
        const DeviceArray& array = *survive_finalization([&] { return &arrays_.emplace_back(name, object, stream_); });
        if (array.size() == 0) return array;
        if (device_ < 0) device_ = array.device();
        require(array.device() == device_, std::string(name) + " must be on device " + std::to_string(device_) +
                                               " like the arguments before it, got device " +
                                               std::to_string(array.device()));
        return array;
    }

    template <typename T>
    const T* in(const char* name, const pybind11::object& object, const std::vector<int64_t>& shape) {
        return static_cast<const T*>(array(name, object).data(dtype_of<T>(), shape, false));
    }

    template <typename T>
    T* out(const char* name, const pybind11::object& object, const std::vector<int64_t>& shape) {
        return static_cast<T*>(array(name, object).data(dtype_of<T>(), shape, true));
    }

    // Null for None.
    template <typename T>
    const T* optional_in(const char* name, const pybind11::object& object, const std::vector<int64_t>& shape) {
        return object.is_none() ? nullptr : in<T>(name, object, shape);
    }

    template <typename T>
    T* optional_out(const char* name, const pybind11::object& object, const std::vector<int64_t>& shape) {
        return object.is_none() ? nullptr : out<T>(name, object, shape);
    }

    // Boxes are (n, 4) float32.
    Box* boxes(const char* name, const pybind11::object& object, int64_t length, bool writable) {
        if (object.is_none()) return nullptr;
        return static_cast<Box*>(array(name, object).data("float32", {length, 4}, writable));
    }

    // Runs `launches` on the arrays' device, without the GIL.
    template <typename Function>
    void run(const Function& launches) const {
        const GilReleased released;
        if (device_ < 0) {
            launches();
            return;
        }
        const DeviceGuard guard(device_);
        launches();
    }

  private:
    cudaStream_t stream_;
    std::list<DeviceArray> arrays_;  // keep the objects alive; references to elements stay valid
    int device_ = -1;
};

}  // namespace mtcnn_fast::cuda
