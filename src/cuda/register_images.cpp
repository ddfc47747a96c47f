// Images in device memory, and the table of them that the kernels read.
#include "cuda/bindings.h"
#include "cuda/register.h"

namespace py = pybind11;

namespace mtcnn_fast::cuda {

void register_images(py::module_& m) {
    using namespace py::literals;
    py::class_<ImageView>(m, "Image", py::module_local())
        .def(py::init<uintptr_t, int64_t, int64_t, int64_t, int32_t, int32_t>(), "address"_a, "row_stride"_a,
             "pixel_stride"_a, "channel_stride"_a, "height"_a, "width"_a)
        .def_readonly("address", &ImageView::address)
        .def_readonly("row_stride", &ImageView::row_stride)
        .def_readonly("pixel_stride", &ImageView::pixel_stride)
        .def_readonly("channel_stride", &ImageView::channel_stride)
        .def_readonly("height", &ImageView::height)
        .def_readonly("width", &ImageView::width);
    m.attr("IMAGE_BYTES") = sizeof(DeviceImage);
    m.def(
        "image_table", [](const std::vector<ImageView>& images) { return bytes_of(device_images(images)); },
        "images"_a);
}

}  // namespace mtcnn_fast::cuda
