// What the driver and the devices are, and how errors of the runtime reach Python.
#include <exception>

#include "cuda/bindings.h"
#include "cuda/device.h"
#include "cuda/register.h"

namespace py = pybind11;

namespace mtcnn_fast::cuda {
namespace {

py::dict py_status() {
    const DeviceStatus status = device_status();
    py::dict result;
    result["toolkit"] = status.toolkit;
    result["driver"] = status.driver;
    result["devices"] = status.devices;
    result["problem"] = status.problem;
    return result;
}

py::list py_devices() {
    py::list result;
    for (const DeviceInfo& info : device_infos()) {
        py::dict entry;
        entry["name"] = info.name;
        entry["capability"] = py::make_tuple(info.major, info.minor);
        entry["multiprocessors"] = info.multiprocessors;
        entry["memory"] = info.memory;
        entry["shared_memory"] = info.shared_memory;
        entry["problem"] = info.problem;
        result.append(entry);
    }
    return result;
}

void py_order_after(const py::object& array, uint64_t stream) { Call(stream).array("array", array); }

}  // namespace

void register_errors() {
    py::register_local_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const CudaError& cuda_error) {
            const py::object type = py::module_::import("mtcnn_fast.errors").attr("BackendError");
            PyErr_SetString(type.ptr(), cuda_error.what());
        } catch (const OutOfMemory& no_memory) {
            PyErr_SetString(PyExc_MemoryError, no_memory.what());
        }
    });
}

void register_device(py::module_& m) {
    using namespace py::literals;
    m.def("status", py_status);
    m.def("devices", py_devices);
    m.attr("ALIGNMENT") = kAlignment;
    m.def("order_after", py_order_after, "array"_a, py::kw_only(), "stream"_a);
}

}  // namespace mtcnn_fast::cuda
