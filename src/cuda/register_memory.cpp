// Memory, streams and arrays of the module's own, and arrays of other libraries described.
#include <pybind11/numpy.h>

#include <cstring>
#include <numeric>
#include <tuple>

#include "cuda/array.h"
#include "cuda/bindings.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

using Bytes = py::array_t<uint8_t, py::array::c_style>;

std::vector<int64_t> read_shape(const object& shape) {
    if (PyLong_Check(shape.ptr()) != 0) return {shape.cast<int64_t>()};
    return shape.cast<std::vector<int64_t>>();
}

py::tuple shape_of(const Array& array) { return py::tuple(py::cast(array.shape)); }

std::string device_text(int device) { return "cuda:" + std::to_string(device); }

// With any content, or all bytes 0.
Array make_array(const std::shared_ptr<Stream>& stream, const object& shape, const std::string& dtype, bool zeros) {
    Array array{nullptr, nullptr, read_shape(shape), &element_type(dtype)};
    for (const int64_t n : array.shape) require(n >= 0, "shape must not be negative, got " + std::to_string(n));
    const size_t bytes = Pool::rounded(static_cast<size_t>(array.bytes()));
    Pool& pool = *stream->pool();
    Block block = pool.find(bytes, stream->handle());
    if (block.data == nullptr) {
        const GilReleased released;
        block = pool.allocate(bytes);
    }
    array.memory = std::make_shared<DeviceMemory>(stream, block);
    array.data = array.memory->data();
    if (zeros) {
        const DeviceGuard guard(array.device());
        check(cudaMemsetAsync(array.data, 0, static_cast<size_t>(array.bytes()), array.stream()), "cudaMemsetAsync");
    }
    return array;
}

void send(PinnedMemory& pinned, size_t first, const Array& target) {
    const GilReleased released;
    pinned.send(first, target.data, static_cast<size_t>(target.bytes()));
}

// Numpy's arrays with the contents, after one wait for the stream.
py::list download(const std::shared_ptr<Stream>& stream, const std::vector<Array>& arrays) {
    size_t total = 0;
    for (const Array& array : arrays) total += static_cast<size_t>(array.bytes());
    PinnedMemory pinned(stream, total);
    {
        const GilReleased released;
        size_t place = 0;
        for (const Array& array : arrays) {
            const auto bytes = static_cast<size_t>(array.bytes());
            if (bytes != 0) pinned.receive(place, array.data, bytes);
            place += bytes;
        }
        pinned.wait();
        stream->pool()->age();
    }
    py::list result;
    size_t place = 0;
    for (const Array& array : arrays) {
        result.append(py::array(py::dtype(array.type->name), array.shape, pinned.data() + place));
        place += static_cast<size_t>(array.bytes());
    }
    return result;
}

// An event behind what is queued on a stream.
class Mark {
  public:
    explicit Mark(std::shared_ptr<Stream> stream) : pool_(stream->pool()) {
        pool_->check_process();
        const DeviceGuard guard(pool_->device());
        check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
        check(cudaEventRecord(event_, stream->handle()), "cudaEventRecord");
    }
    ~Mark() {
        if (pool_->forked()) return;
        try {
            const DeviceGuard guard(pool_->device());
            cudaEventDestroy(event_);
        } catch (const std::exception&) {  // the driver is gone at the end of the process
        }
    }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

    bool passed() const {
        pool_->check_process();
        const DeviceGuard guard(pool_->device());
        const cudaError_t error = cudaEventQuery(event_);
        if (error == cudaErrorNotReady) {
            cudaGetLastError();
            return false;
        }
        check(error, "cudaEventQuery");
        return true;
    }

  private:
    std::shared_ptr<Pool> pool_;
    cudaEvent_t event_{};
};

Array get_rows(const Array& array, const py::slice& slice) {
    require(!array.shape.empty(), "an array without axes has no rows");
    size_t first = 0, last = 0, step = 0, length = 0;
    if (!slice.compute(static_cast<size_t>(array.shape[0]), &first, &last, &step, &length)) {
        throw py::error_already_set();
    }
    require(length == 0 || step == 1, "rows must follow one another, got a step");
    return array.rows(static_cast<int64_t>(length == 0 ? 0 : first),
                      static_cast<int64_t>(length == 0 ? 0 : first + length));
}

void share(const Array& array) {
    const GilReleased released;
    array.memory->stream()->synchronise();
    array.memory->finish();
}

py::object to_numpy(const Array& array) { return download(array.memory->stream(), {array})[0]; }

py::object to_dlpack(const Array& array, const object& stream, const object& max_version, const object& dl_device,
                     const object& copy) {
    const auto here = py::make_tuple(2, array.device());
    if (!dl_device.is_none() && !dl_device.equal(here)) {
        PyErr_SetString(PyExc_BufferError, ("the array stays on " + device_text(array.device())).c_str());
        throw py::error_already_set();
    }
    if (!copy.is_none() && copy.cast<bool>()) {
        PyErr_SetString(PyExc_BufferError, "the array is exported as it is, not copied");
        throw py::error_already_set();
    }
    return array.export_dlpack(stream, max_version);
}

py::object to_array(const Array& array, const object& dtype, const object& copy) {
    if (!copy.is_none() && !copy.cast<bool>()) throw py::value_error("the array is on a device: it must be copied");
    const py::object content = to_numpy(array);
    return dtype.is_none() ? content : content.attr("astype")(dtype);
}

void register_arrays(py::module_& m) {
    using namespace py::literals;
    const object none = py::none();
    py::class_<Array>(m, "Array", py::module_local())
        .def(py::init(&make_array), "stream"_a, "shape"_a, "dtype"_a, "zeros"_a = false)
        .def_property_readonly("shape", shape_of)
        .def_property_readonly("dtype", [](const Array& array) { return array.type->name; })
        .def_property_readonly("device", [](const Array& array) { return device_text(array.device()); })
        .def_property_readonly("nbytes", &Array::bytes)
        .def("data_ptr", [](const Array& array) { return reinterpret_cast<uintptr_t>(array.data); })
        .def(
            "reshape", [](const Array& array, const object& shape) { return array.reshaped(read_shape(shape)); },
            "shape"_a)
        .def("numpy", to_numpy)
        .def("share", share)
        .def("__getitem__", get_rows)
        .def("__len__", [](const Array& array) { return array.shape.empty() ? 0 : array.shape[0]; })
        .def("__repr__",
             [](const Array& array) {
                 const std::string shape = py::str(shape_of(array));
                 return "<Array " + shape + " " + array.type->name + " on " + device_text(array.device()) + ">";
             })
        .def("__array__", to_array, "dtype"_a = none, "copy"_a = none)
        .def("__dlpack__", to_dlpack, py::kw_only(), "stream"_a = none, "max_version"_a = none, "dl_device"_a = none,
             "copy"_a = none)
        .def("__dlpack_device__", [](const Array& array) { return py::make_tuple(2, array.device()); })
        .def_property_readonly("__cuda_array_interface__", &Array::interface);
    py::class_<DeviceArray>(m, "ForeignArray", py::module_local())
        .def(py::init([](const std::string& name, const object& array, uint64_t stream) {
                 return DeviceArray(name.c_str(), array, reinterpret_cast<cudaStream_t>(stream));
             }),
             "name"_a, "array"_a, py::kw_only(), "stream"_a)
        .def_property_readonly("address",
                               [](const DeviceArray& array) { return reinterpret_cast<uintptr_t>(array.address()); })
        .def_property_readonly("shape", [](const DeviceArray& array) { return py::tuple(py::cast(array.shape())); })
        .def_property_readonly("strides", [](const DeviceArray& array) { return py::tuple(py::cast(array.strides())); })
        .def_property_readonly("dtype", &DeviceArray::dtype)
        .def_property_readonly("device", &DeviceArray::device);
}

}  // namespace

void register_memory(py::module_& m) {
    using namespace py::literals;
    py::class_<Pool, std::shared_ptr<Pool>>(m, "Pool", py::module_local())
        .def(py::init<int>(), "device"_a)
        .def_property_readonly("device", &Pool::device)
        .def_property_readonly("reserved", &Pool::reserved)
        .def("trim", &Pool::trim, py::call_guard<GilReleased>());
    py::class_<Stream, std::shared_ptr<Stream>>(m, "Stream", py::module_local())
        .def(py::init<std::shared_ptr<Pool>>(), "pool"_a)
        .def(py::init([](std::shared_ptr<Pool> pool, uint64_t handle) {
                 return std::make_shared<Stream>(std::move(pool), reinterpret_cast<cudaStream_t>(handle));
             }),
             "pool"_a, "handle"_a)
        .def_property_readonly("handle",
                               [](const Stream& stream) { return reinterpret_cast<uintptr_t>(stream.handle()); })
        .def("download", download, "arrays"_a)
        .def("synchronize", &Stream::synchronise, py::call_guard<GilReleased>());
    py::class_<Mark>(m, "Mark", py::module_local())
        .def(py::init<std::shared_ptr<Stream>>(), "stream"_a)
        .def_property_readonly("passed", &Mark::passed);
    py::class_<PinnedMemory>(m, "PinnedMemory", py::module_local(), py::buffer_protocol())
        .def(py::init<std::shared_ptr<Stream>, size_t>(), "stream"_a, "size"_a)
        .def_buffer([](PinnedMemory& memory) {
            return py::buffer_info(memory.data(), sizeof(uint8_t), py::format_descriptor<uint8_t>::format(), 1,
                                   {memory.size()}, {sizeof(uint8_t)});
        })
        .def("send", send, "first"_a, "target"_a);
    register_arrays(m);
}

}  // namespace mtcnn_fast::cuda
