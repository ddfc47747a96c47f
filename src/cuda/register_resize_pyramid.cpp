#include "cuda/bindings.h"
#include "cuda/register.h"
#include "cuda/resize_pyramid.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

ResizePlan make_plan(const std::vector<ImageView>& images, const std::vector<LevelShape>& levels) {
    return {device_images(images), levels};
}

void py_resize_pyramid(const ResizePlan& plan, const object& table, const object& out, uint64_t stream) {
    Call call(stream);
    const auto* device_plan = call.in<uint8_t>("table", table, {static_cast<int64_t>(plan.bytes().size())});
    const DeviceArray& result = call.array("out", out);
    const DType dtype = float_type(result, "out");
    void* memory = result.data(result.dtype().c_str(), {plan.elements()}, true);
    call.run([&] { resize_pyramid(plan, device_plan, memory, dtype, call.stream()); });
}

}  // namespace

void register_resize_pyramid(py::module_& m) {
    using namespace py::literals;
    py::class_<LevelShape>(m, "LevelShape", py::module_local())
        .def(py::init<int32_t, int32_t, int32_t>(), "image"_a, "height"_a, "width"_a)
        .def_readonly("image", &LevelShape::image)
        .def_readonly("height", &LevelShape::height)
        .def_readonly("width", &LevelShape::width);
    py::class_<ResizePlan>(m, "ResizePlan", py::module_local())
        .def(py::init(&make_plan), "images"_a, "levels"_a)
        .def_property_readonly("table", [](const ResizePlan& plan) { return bytes_of(plan.bytes()); })
        .def_property_readonly("offsets", &ResizePlan::offsets)
        .def_property_readonly("elements", &ResizePlan::elements)
        .def_property_readonly("blocks", &ResizePlan::blocks);
    m.def("resize_pyramid", py_resize_pyramid, "plan"_a, "table"_a, "out"_a, py::kw_only(), "stream"_a);
}

}  // namespace mtcnn_fast::cuda
