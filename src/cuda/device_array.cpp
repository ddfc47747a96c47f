#include "cuda/device_array.h"

#include <pybind11/stl.h>

#include <memory>

#include "cuda/array.h"
#include "cuda/dlpack.h"
#include "cuda/driver.h"
#include "cuda/errors.h"

namespace py = pybind11;

namespace mtcnn_fast::cuda {
namespace {

std::string dtype_name(char kind, int64_t bytes) {
    const std::string bits = std::to_string(8 * bytes);
    switch (kind) {
        case 'f':
            return "float" + bits;
        case 'i':
            return "int" + bits;
        case 'u':
            return "uint" + bits;
        case 'b':
            return "bool";
        default:
            return std::string("kind '") + kind + "' of " + bits + " bits";
    }
}

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i) {
        text += (i > 0 ? ", " : "") + (shape[i] < 0 ? std::string("n") : std::to_string(shape[i]));
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

char kind_of(uint8_t code) {
    switch (code) {
        case dlpack::kInt:
            return 'i';
        case dlpack::kUInt:
            return 'u';
        case dlpack::kFloat:
            return 'f';
        case dlpack::kBool:
            return 'b';
        default:
            return '?';
    }
}

// Asks for a capsule of DLPack 1, which knows of read-only memory. Producers older than that take no version.
py::object export_capsule(const py::object& object, uint64_t stream) {
    const py::object exporter = object.attr("__dlpack__");
    try {
        return exporter(py::arg("stream") = stream, py::arg("max_version") = py::make_tuple(dlpack::kMajor, 0));
    } catch (const py::error_already_set& error) {
        if (!error.matches(PyExc_TypeError)) throw;
    }
    return exporter(py::arg("stream") = stream);
}

// Takes the tensor out of its capsule, so that it is released with `owner` and not with the capsule.
template <typename Managed>
Managed* take_capsule(const py::object& capsule, const char* name, const char* used_name, py::object& owner) {
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
    if (managed == nullptr) throw py::error_already_set();
    PyCapsule_SetName(capsule.ptr(), used_name);
    owner = py::capsule(managed, [](void* held) {
        auto* tensor = static_cast<Managed*>(held);
        if (tensor->deleter != nullptr) tensor->deleter(tensor);
    });
    return managed;
}

}  // namespace

void order_after(cudaStream_t producer, cudaStream_t stream) {
    cudaEvent_t event{};
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
    const std::unique_ptr<void, void (*)(void*)> destroy(
        event, [](void* held) { cudaEventDestroy(static_cast<cudaEvent_t>(held)); });
    check(cudaEventRecord(event, producer), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream, event, 0), "cudaStreamWaitEvent");
}

DeviceArray::DeviceArray(const char* name, const py::object& object, cudaStream_t stream)
    : name_(name), owner_(object) {
    if (py::isinstance<Array>(object)) {
        read_own(object.cast<const Array&>());
        wait_for_producer(stream);
        return;
    }
    if (py::hasattr(object, "__cuda_array_interface__")) {
        read_interface(object.attr("__cuda_array_interface__").cast<py::dict>());
    } else if (py::hasattr(object, "__dlpack__")) {
        read_dlpack(object, stream);
    } else {
        throw py::type_error(name_ +
                             " must be an array in CUDA memory (with __cuda_array_interface__ or __dlpack__), got " +
                             std::string(py::str(py::type::of(object).attr("__name__"))));
    }
    find_device();
    wait_for_producer(stream);
}

void DeviceArray::read_own(const Array& array) {
    data_ = array.data;
    shape_ = array.shape;
    dtype_ = array.type->name;
    item_size_ = array.type->bytes;
    device_ = array.device();
    if (array.memory->finished()) return;
    producer_ = array.stream() == nullptr ? 1 : reinterpret_cast<uint64_t>(array.stream());
}

void DeviceArray::read_interface(const py::dict& interface) {
    shape_ = interface["shape"].cast<std::vector<int64_t>>();
    const auto type = interface["typestr"].cast<std::string>();
    if (type.size() < 3 || type[0] == '>') throw py::value_error(name_ + " must be little-endian, got typestr " + type);
    item_size_ = std::stoll(type.substr(2));
    dtype_ = dtype_name(type[1], item_size_);
    const auto data = interface["data"].cast<py::tuple>();
    data_ = reinterpret_cast<void*>(data[0].cast<uintptr_t>());
    read_only_ = data[1].cast<bool>();
    if (interface.contains("strides") && !interface["strides"].is_none()) {
        strides_ = interface["strides"].cast<std::vector<int64_t>>();
    }
    if (interface.contains("mask") && !interface["mask"].is_none()) {
        throw py::value_error(name_ + " must not be a masked array");
    }
    if (interface.contains("stream") && !interface["stream"].is_none()) {
        producer_ = interface["stream"].cast<uint64_t>();
        if (producer_ == 0)
            throw py::value_error(name_ + " names stream 0, which __cuda_array_interface__ does not allow");
    }
}

void DeviceArray::read_dlpack(const py::object& object, cudaStream_t stream) {
    const auto device = object.attr("__dlpack_device__")().cast<py::tuple>();
    const auto type = py::int_(device[0]).cast<int32_t>();
    if (type != dlpack::kCuda && type != dlpack::kCudaManaged) {
        throw py::value_error(name_ + " must be in CUDA memory, got DLPack device type " + std::to_string(type) +
                              (type == 1 ? " (CPU)" : ""));
    }
    // The protocol has no 0: the legacy default stream is 1.
    const uint64_t number = stream == nullptr ? 1 : reinterpret_cast<uint64_t>(stream);
    const py::object capsule = export_capsule(object, number);
    const dlpack::Tensor* tensor = nullptr;
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
        const auto* managed = take_capsule<dlpack::ManagedTensorVersioned>(capsule, "dltensor_versioned",
                                                                           "used_dltensor_versioned", owner_);
        // Another major version has the same beginning, with which it is released, and nothing else in common.
        if (managed->major != dlpack::kMajor) {
            throw py::value_error(name_ + " must be of DLPack version " + std::to_string(dlpack::kMajor) + ", got " +
                                  std::to_string(managed->major) + "." + std::to_string(managed->minor));
        }
        read_only_ = (managed->flags & dlpack::kReadOnly) != 0;
        tensor = &managed->tensor;
    } else {
        tensor = &take_capsule<dlpack::ManagedTensor>(capsule, "dltensor", "used_dltensor", owner_)->tensor;
    }
    if (tensor->dtype.lanes != 1) throw py::value_error(name_ + " must not be an array of vectors");
    data_ = static_cast<char*>(tensor->data) + tensor->byte_offset;
    shape_.assign(tensor->shape, tensor->shape + tensor->ndim);
    item_size_ = tensor->dtype.bits / 8;
    dtype_ = dtype_name(kind_of(tensor->dtype.code), item_size_);
    if (tensor->strides != nullptr) {
        for (int i = 0; i < tensor->ndim; ++i) strides_.push_back(tensor->strides[i] * item_size_);
    }
}

int64_t DeviceArray::size() const {
    int64_t size = 1;
    for (const int64_t n : shape_) size *= n;
    return size;
}

void DeviceArray::find_device() {
    if (size() == 0) return;
    device_ = device_of_pointer(data_);
    if (device_ < 0) throw py::value_error(name_ + " must be in CUDA memory, got a pointer to host memory");
}

void DeviceArray::wait_for_producer(cudaStream_t stream) const {
    if (size() == 0 || producer_ == 0 || stream_of(producer_) == stream) return;
    const DeviceGuard guard(device_);
    order_after(stream_of(producer_), stream);
}

std::vector<int64_t> DeviceArray::strides() const {
    if (!strides_.empty()) return strides_;
    std::vector<int64_t> strides(shape_.size());
    int64_t step = item_size_;
    for (size_t i = shape_.size(); i-- > 0;) {
        strides[i] = step;
        step *= shape_[i];
    }
    return strides;
}

bool DeviceArray::contiguous() const {
    if (strides_.empty()) return true;
    int64_t expected = item_size_;
    for (size_t i = shape_.size(); i-- > 0;) {
        if (shape_[i] == 0) return true;
        if (shape_[i] != 1 && strides_[i] != expected) return false;
        expected *= shape_[i];
    }
    return true;
}

std::string DeviceArray::describe() const {
    return shape_text(shape_) + " " + dtype_ + (contiguous() ? "" : ", not C-contiguous") +
           (read_only_ ? ", read-only" : "");
}

void* DeviceArray::data(const char* dtype, const std::vector<int64_t>& shape, bool writable) const {
    bool matches = dtype_ == dtype && shape_.size() == shape.size() && contiguous() && !(writable && read_only_);
    for (size_t i = 0; matches && i < shape.size(); ++i) matches = shape[i] < 0 || shape[i] == shape_[i];
    if (!matches) {
        throw py::value_error(name_ + " must be a C-contiguous" + (writable ? ", writable" : "") + " array " +
                              shape_text(shape) + " " + dtype + ", got " + describe());
    }
    return data_;
}

}  // namespace mtcnn_fast::cuda
