#include "cuda/bindings.h"
#include "cuda/crop_pad_resize.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

void py_crop_pad_resize(const object& images, const object& boxes, const object& image_index, const object& count,
                        const object& out, const object& valid, bool zero_border, uint64_t stream) {
    Call call(stream);
    CropArguments a{};
    read_crop_list(call, images, boxes, image_index, count, zero_border, a);
    const DeviceArray& result = call.array("out", out);
    a.dtype = float_type(result, "out");
    require(result.shape().size() == 4, "out must be (n, 3, size, size), got " + result.describe());
    const int64_t size = result.shape()[3];
    require(size >= 1 && size <= kMaxCropSize,
            "size must be from 1 to " + std::to_string(kMaxCropSize) + ", got " + std::to_string(size));
    a.size = static_cast<int>(size);
    a.out = result.data(result.dtype().c_str(), {a.capacity, 3, size, size}, true);
    a.valid = reinterpret_cast<uint8_t*>(call.out<bool>("valid", valid, {a.capacity}));
    call.run([&] { crop_pad_resize(a, call.stream()); });
}

}  // namespace

void register_crop_pad_resize(py::module_& m) {
    using namespace py::literals;
    m.def("crop_pad_resize", py_crop_pad_resize, "images"_a, "boxes"_a, "image_index"_a, "count"_a, "out"_a, "valid"_a,
          py::kw_only(), "zero_border"_a, "stream"_a);
}

}  // namespace mtcnn_fast::cuda
