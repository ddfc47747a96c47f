#include "cuda/array.h"

#include <pybind11/stl.h>

#include <array>
#include <utility>

#include "cuda/device_array.h"
#include "cuda/dlpack.h"
#include "cuda/driver.h"
#include "cuda/errors.h"

namespace py = pybind11;

namespace mtcnn_fast::cuda {
namespace {

constexpr std::array kTypes{
    ElementType{"float32", "<f4", dlpack::kFloat, 4}, ElementType{"int32", "<i4", dlpack::kInt, 4},
    ElementType{"int64", "<i8", dlpack::kInt, 8},     ElementType{"uint8", "|u1", dlpack::kUInt, 1},
    ElementType{"bool", "|b1", dlpack::kBool, 1},
};

// What a capsule points to. The consumer may release it without the GIL.
template <typename Managed>
struct Exported {
    Managed managed{};
    std::shared_ptr<DeviceMemory> memory;
    std::vector<int64_t> shape;
    std::vector<int64_t> strides;
};

template <typename Managed>
py::capsule make_capsule(const Array& array, const char* name) {
    auto exported = std::make_unique<Exported<Managed>>();
    exported->memory = array.memory;
    exported->shape = array.shape;
    exported->strides.resize(array.shape.size());
    int64_t step = 1;
    for (size_t i = array.shape.size(); i-- > 0;) {
        exported->strides[i] = step;
        step *= array.shape[i];
    }
    dlpack::Tensor& tensor = exported->managed.tensor;
    tensor.data = array.data;
    tensor.device = {dlpack::kCuda, array.device()};
    tensor.ndim = static_cast<int32_t>(array.shape.size());
    tensor.dtype = {array.type->kind, static_cast<uint8_t>(8 * array.type->bytes), 1};
    tensor.shape = exported->shape.data();
    tensor.strides = exported->strides.data();
    exported->managed.context = exported.get();
    exported->managed.deleter = [](Managed* managed) { delete static_cast<Exported<Managed>*>(managed->context); };
    if constexpr (std::is_same_v<Managed, dlpack::ManagedTensorVersioned>) exported->managed.major = dlpack::kMajor;
    // A consumer renames the capsule and releases the tensor itself.
    PyObject* capsule = PyCapsule_New(&exported->managed, name, [](PyObject* held) {
        const char* held_name = PyCapsule_GetName(held);
        const bool versioned = std::is_same_v<Managed, dlpack::ManagedTensorVersioned>;
        if (std::string(held_name) != (versioned ? "dltensor_versioned" : "dltensor")) return;
        auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(held, held_name));
        managed->deleter(managed);
    });
    if (capsule == nullptr) throw py::error_already_set();
    exported.release();  // NOLINT(bugprone-unused-return-value): the capsule owns it
    return py::reinterpret_steal<py::capsule>(capsule);
}

}  // namespace

const ElementType& element_type(const std::string& name) {
    for (const ElementType& type : kTypes) {
        if (name == type.name) return type;
    }
    throw std::invalid_argument("dtype must be float32, int32, int64, uint8 or bool, got " + name);
}

int64_t Array::size() const {
    int64_t size = 1;
    for (const int64_t n : shape) size *= n;
    return size;
}

Array Array::rows(int64_t first, int64_t last) const {
    Array part = *this;
    const int64_t row = shape[0] == 0 ? 0 : bytes() / shape[0];
    part.data += first * row;
    part.shape[0] = last - first;
    return part;
}

Array Array::reshaped(std::vector<int64_t> new_shape) const {
    Array part = *this;
    part.shape = std::move(new_shape);
    require(part.size() == size(),
            "shape must have " + std::to_string(size()) + " elements, got " + std::to_string(part.size()));
    return part;
}

py::dict Array::interface() const {
    memory->use_elsewhere();
    py::dict interface;
    interface["shape"] = py::tuple(py::cast(shape));
    interface["typestr"] = type->code;
    interface["data"] = py::make_tuple(reinterpret_cast<uintptr_t>(data), false);
    interface["strides"] = py::none();
    interface["version"] = 3;
    // The protocol has no 0: the legacy default stream is 1.
    interface["stream"] = stream() == nullptr ? uintptr_t{1} : reinterpret_cast<uintptr_t>(stream());
    return interface;
}

py::capsule Array::export_dlpack(const py::object& consumer, const py::object& max_version) const {
    constexpr int64_t kNoOrder = -1;
    const int64_t number = consumer.is_none() ? 1 : consumer.cast<int64_t>();
    require(number == kNoOrder || number > 0, "stream must be None, -1 or above 0, got " + std::to_string(number));
    if (number == kNoOrder) {
        memory->use_elsewhere();
    } else if (stream_of(static_cast<uint64_t>(number)) != stream()) {
        memory->use_elsewhere();
        const DeviceGuard guard(device());
        order_after(stream(), stream_of(static_cast<uint64_t>(number)));
    }
    if (!max_version.is_none() && max_version.cast<py::tuple>()[0].cast<uint32_t>() >= dlpack::kMajor) {
        return make_capsule<dlpack::ManagedTensorVersioned>(*this, "dltensor_versioned");
    }
    return make_capsule<dlpack::ManagedTensor>(*this, "dltensor");
}

}  // namespace mtcnn_fast::cuda
