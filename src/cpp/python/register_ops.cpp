// Registers the operations of mtcnn_fast.ops.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/boxes.h"
#include "common/crop_window.h"
#include "common/overlap.h"
#include "common/released_gil.h"
#include "cpp/crop.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/image_view.h"
#include "cpp/nms.h"
#include "cpp/python/arguments.h"
#include "cpp/python/register.h"
#include "cpp/resize.h"

namespace mtcnn_fast {
namespace {

// Pixels a side of a level, also more than the boxes that are suppressed at once; and of a crop.
constexpr py::ssize_t kMaxSize = py::ssize_t{1} << 30;
constexpr py::ssize_t kMaxCrop = 4096;

py::list resize_to_sizes(const py::array& image, const std::vector<std::pair<py::ssize_t, py::ssize_t>>& sizes,
                         py::ssize_t num_threads, const std::string& isa) {
    const ImageView view = image_view(image);
    const engine::KernelTable& kernels = *engine::select_isa(isa).kernels;
    require_threads(num_threads);
    for (const auto& [height, width] : sizes) {
        require(height >= 1 && height <= kMaxSize, "each height in sizes must be from 1 to 2**30", height);
        require(width >= 1 && width <= kMaxSize, "each width in sizes must be from 1 to 2**30", width);
    }
    py::list arrays;
    std::vector<ResizedLevel> levels;
    for (const auto& [height, width] : sizes) {
        py::array_t<float> array({py::ssize_t{3}, height, width});
        levels.push_back({static_cast<std::int32_t>(height),
                          static_cast<std::int32_t>(width),
                          {array.mutable_data(), height * width, width}});
        arrays.append(std::move(array));
    }
    {
        ReleasedGil released;
        resize_pyramid(view, levels, kernels, static_cast<int>(num_threads), [&] { released.check_signals(); });
    }
    return arrays;
}

py::tuple crop_boxes(const py::array& image, const py::array& boxes, py::ssize_t size, bool zero_border,
                     py::ssize_t num_threads, const std::string& isa) {
    const ImageView view = image_view(image);
    const engine::KernelTable& kernels = *engine::select_isa(isa).kernels;
    const auto* const corners = elements<float>("boxes", "(N, 4) float32", boxes, {-1, 4});
    require(size >= 1 && size <= kMaxCrop, "size must be from 1 to 4096", size);
    require_threads(num_threads);
    const py::ssize_t n = boxes.shape(0);
    py::array_t<float> crops({n, py::ssize_t{3}, size, size});
    py::array_t<bool> valid(n);
    float* const out = crops.mutable_data();
    bool* const flags = valid.mutable_data();
    {
        ReleasedGil released;
        crop_pad_resize(view, reinterpret_cast<const Box*>(corners), n, static_cast<std::int32_t>(size),
                        zero_border ? Border::kZero : Border::kClip, kernels, out, flags, static_cast<int>(num_threads),
                        [&] { released.check_signals(); });
    }
    return py::make_tuple(std::move(crops), std::move(valid));
}

py::array_t<std::int64_t> suppress_in_segments(const py::array& boxes, const py::array& scores,
                                               const py::array& segments, double threshold, bool iomin) {
    const auto* const corners = elements<float>("boxes", "(N, 4) float32", boxes, {-1, 4});
    const py::ssize_t n = boxes.shape(0);
    const auto* const values = elements<float>("scores", "(N,) float32, N as in boxes", scores, {n});
    const auto* const numbers = elements<std::int64_t>("segments", "(N,) int64, N as in boxes", segments, {n});
    require(n < kMaxSize, "boxes must be fewer than 2**30", n);
    if (!(threshold >= 0.0)) throw py::value_error("threshold must be at least 0, got " + std::to_string(threshold));
    std::vector<std::int32_t> keep;
    {
        const ReleasedGil released;
        NmsScratch scratch;
        batched_nms(reinterpret_cast<const Box*>(corners), values, numbers, static_cast<std::int32_t>(n),
                    static_cast<float>(threshold), iomin ? Overlap::kIoMin : Overlap::kIou, keep, scratch);
    }
    py::array_t<std::int64_t> result(static_cast<py::ssize_t>(keep.size()));
    std::copy(keep.begin(), keep.end(), result.mutable_data());
    return result;
}

}  // namespace

void register_ops(py::module_& m) {
    m.def("resize_pyramid", &resize_to_sizes, py::arg("image"), py::arg("sizes"), py::arg("num_threads") = 1,
          py::arg("isa") = "");
    m.def("crop_pad_resize", &crop_boxes, py::arg("image"), py::arg("boxes"), py::arg("size"), py::arg("zero_border"),
          py::arg("num_threads") = 1, py::arg("isa") = "");
    m.def("batched_nms", &suppress_in_segments, py::arg("boxes"), py::arg("scores"), py::arg("segments"),
          py::arg("threshold"), py::arg("iomin"));
    m.attr("MAX_CROP") = kMaxCrop;
    m.attr("MAX_LEVEL") = kMaxSize;
}

}  // namespace mtcnn_fast
