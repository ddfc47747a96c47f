#include "cuda/bindings.h"
#include "cuda/crop_network.h"
#include "cuda/host_arrays.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

CropNetwork make_network(const std::string& name, const HostArrays& tensors, size_t shared_memory) {
    return {name, host_tensors(tensors), shared_memory};
}

void py_run_crop_network(const CropNetwork& network, const object& weights, const object& images, const object& boxes,
                         const object& image_index, const object& count, const object& scores, const object& offsets,
                         const object& points, const object& valid, const object& workspace, bool zero_border,
                         uint64_t stream) {
    Call call(stream);
    CropNetworkArguments a{};
    const auto bytes = static_cast<int64_t>(network.packed().size() * sizeof(float));
    a.weights = reinterpret_cast<const float*>(call.in<uint8_t>("weights", weights, {bytes}));
    read_crop_list(call, images, boxes, image_index, count, zero_border, a);
    a.scores = call.out<float>("scores", scores, {a.capacity});
    a.offsets = call.boxes("offsets", offsets, a.capacity, true);
    a.points = call.optional_out<float>("points", points, {a.capacity, 10});
    a.valid = reinterpret_cast<uint8_t*>(call.out<bool>("valid", valid, {a.capacity}));
    const WorkspaceMemory space = read_workspace(call, workspace);
    call.run([&] { run_crop_network(network, a, space.memory, space.bytes, call.stream()); });
}

}  // namespace

void register_crop_network(py::module_& m) {
    using namespace py::literals;
    py::class_<CropNetwork>(m, "CropNetwork", py::module_local())
        .def(py::init(&make_network), "name"_a, "tensors"_a, py::kw_only(), "shared_memory"_a)
        .def_property_readonly("weights", [](const CropNetwork& network) { return bytes_of(network.packed()); })
        .def_property_readonly("has_landmarks", &CropNetwork::has_landmarks)
        .def_property_readonly("shared_memory", [](const CropNetwork& network) { return network.band().shared_memory; })
        .def_property_readonly("band", [](const CropNetwork& network) { return network.band().rows; })
        .def("workspace_size", &CropNetwork::workspace_size, "length"_a);
    m.def("run_crop_network", py_run_crop_network, "network"_a, "weights"_a, "images"_a, "boxes"_a, "image_index"_a,
          "count"_a, "scores"_a, "offsets"_a, "points"_a, "valid"_a, "workspace"_a, py::kw_only(), "zero_border"_a,
          "stream"_a);
}

}  // namespace mtcnn_fast::cuda
