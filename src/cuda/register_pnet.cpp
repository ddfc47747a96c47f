#include "cuda/bindings.h"
#include "cuda/host_arrays.h"
#include "cuda/pnet.h"
#include "cuda/pnet_filter.h"
#include "cuda/pnet_weights.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

py::bytes py_pnet_weights(const HostArrays& tensors) { return bytes_of(pack_pnet_weights(host_tensors(tensors))); }

PNetPlan make_plan(const std::vector<ImageView>& images, const std::vector<PNetLevelShape>& levels,
                   size_t shared_memory) {
    return {device_images(images), levels, shared_memory};
}

PNetArguments pnet_arguments(Call& call, const PNetPlan& plan, const object& table, const object& weights,
                             const object& scores, const object& offsets) {
    PNetArguments a{};
    a.tables = call.in<uint8_t>("table", table, {static_cast<int64_t>(plan.bytes().size())});
    a.weights = reinterpret_cast<const float*>(
        call.in<uint8_t>("weights", weights, {int64_t{PNetLayout::kFloats} * static_cast<int64_t>(sizeof(float))}));
    a.scores = call.out<float>("scores", scores, {plan.cells()});
    a.offsets = call.out<float>("offsets", offsets, {4 * plan.cells()});
    return a;
}

void py_pnet(const PNetPlan& plan, const object& table, const object& weights, const object& scores,
             const object& offsets, uint64_t stream) {
    Call call(stream);
    const PNetArguments a = pnet_arguments(call, plan, table, weights, scores, offsets);
    call.run([&] { pnet(plan, a, call.stream()); });
}

py::bytes py_pnet_filter_weights(const HostArrays& tensors) {
    return bytes_of(pack_pnet_filter_weights(host_tensors(tensors)));
}

void py_pnet_filtered(const PNetPlan& plan, const object& table, const object& weights, const object& scores,
                      const object& offsets, const object& filter_weights, float limit, const object& wanted,
                      uint64_t stream) {
    Call call(stream);
    const PNetArguments a = pnet_arguments(call, plan, table, weights, scores, offsets);
    PNetFilterArguments filter{};
    filter.weights = reinterpret_cast<const std::byte*>(
        call.in<uint8_t>("filter_weights", filter_weights, {int64_t{PNetFilterLayout::kBytes}}));
    filter.limit = limit;
    filter.wanted = call.out<uint8_t>("wanted", wanted, {int64_t{plan.parts()}});
    call.run([&] { pnet_filtered(plan, a, filter, call.stream()); });
}

}  // namespace

void register_pnet(py::module_& m) {
    using namespace py::literals;
    py::class_<PNetLevelShape>(m, "PNetLevel", py::module_local())
        .def(py::init<int32_t, int32_t, int32_t, int32_t, float>(), "image"_a, "height"_a, "width"_a, "segment"_a,
             "scale"_a)
        .def_readonly("image", &PNetLevelShape::image)
        .def_readonly("height", &PNetLevelShape::height)
        .def_readonly("width", &PNetLevelShape::width)
        .def_readonly("segment", &PNetLevelShape::segment)
        .def_readonly("scale", &PNetLevelShape::scale);
    py::class_<PNetPlan>(m, "PNetPlan", py::module_local())
        .def(py::init(&make_plan), "images"_a, "levels"_a, py::kw_only(), "shared_memory"_a)
        .def_property_readonly("table", [](const PNetPlan& plan) { return bytes_of(plan.bytes()); })
        .def(
            "table_for",
            [](const PNetPlan& plan, const std::vector<ImageView>& images) {
                return bytes_of(plan.bytes_for(device_images(images)));
            },
            "images"_a)
        .def_property_readonly("proposal_table", [](const PNetPlan& plan) { return bytes_of(plan.proposal_levels()); })
        .def_property_readonly("chunks", &PNetPlan::chunks)
        .def_property_readonly("cells", &PNetPlan::cells)
        .def_property_readonly("blocks", &PNetPlan::blocks)
        .def_property_readonly("parts", &PNetPlan::parts)
        .def_property_readonly("shared_memory", [](const PNetPlan& plan) { return plan.tile().shared_memory; })
        .def_property_readonly(
            "tile", [](const PNetPlan& plan) { return py::make_tuple(plan.tile().width, plan.tile().height); });
    m.def("pnet_weights", py_pnet_weights, "tensors"_a);
    m.def("pnet", py_pnet, "plan"_a, "table"_a, "weights"_a, "scores"_a, "offsets"_a, py::kw_only(), "stream"_a);
    m.def("pnet_filter_weights", py_pnet_filter_weights, "tensors"_a);
    m.def("pnet_filtered", py_pnet_filtered, "plan"_a, "table"_a, "weights"_a, "scores"_a, "offsets"_a,
          "filter_weights"_a, "limit"_a, "wanted"_a, py::kw_only(), "stream"_a);
}

}  // namespace mtcnn_fast::cuda
