// Binds the engine into `mtcnn_fast._cpu`.
#include "cpp/engine_module.h"

#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cpp/cpu_count.h"
#include "cpp/engine/algorithms.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/network_weights.h"
#include "cpp/module_arrays.h"
#include "cpp/thread_pool.h"

namespace mtcnn_fast {
namespace {

using engine::Candidates;
using engine::Cascade;
using engine::CascadeSettings;
using engine::Detections;

engine::TensorMap tensor_map(const py::dict& tensors) {
    engine::TensorMap map;
    for (const auto& [key, value] : tensors) {
        const auto name = py::cast<std::string>(key);
        const auto array = py::cast<py::array>(value);
        if (!py::isinstance<py::array_t<float, py::array::c_style>>(array)) {
            throw py::value_error("tensor '" + name + "' must be a C-contiguous float32 array, got " + describe(array));
        }
        std::vector<std::size_t> shape;
        for (py::ssize_t i = 0; i < array.ndim(); ++i) shape.push_back(static_cast<std::size_t>(array.shape(i)));
        map.emplace(name, engine::Tensor{static_cast<const float*>(array.data()), std::move(shape)});
    }
    return map;
}

template <class T>
py::array_t<float> to_array(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
    py::array_t<float> array(std::move(shape));
    if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(T));
    return array;
}

template <class T>
py::array_t<float> boxes_array(const std::vector<T>& boxes) {
    return to_array(boxes, {static_cast<py::ssize_t>(boxes.size()), 4});
}

py::array_t<float> scores_array(const std::vector<float>& scores) {
    return to_array(scores, {static_cast<py::ssize_t>(scores.size())});
}

class Engine {
  public:
    Engine(const py::dict& pnet, const py::dict& rnet, const py::dict& onet, const CascadeSettings& settings,
           const std::string& isa, bool direct)
        : settings_(settings),
          weights_(tensor_map(pnet), tensor_map(rnet), tensor_map(onet)),
          cascade_(weights_, engine::select_kernels(isa),
                   direct ? engine::kDirectAlgorithms : engine::kFastAlgorithms) {}

    std::string isa() const { return cascade_.kernels().name; }

    py::list detect(const py::list& images, int num_threads, bool profile, bool trace) {
        std::vector<ImageView> views;
        for (const auto& image : images) views.push_back(image_view(py::cast<py::array>(image)));
        std::vector<Detections> detections;
        {
            const py::gil_scoped_release released;
            const int threads = num_threads > 0 ? num_threads : available_threads();
            const engine::Runner runner = [&](std::int64_t n, const engine::Task& task) {
                ThreadPool::shared().run(n, threads, task, check_signals);
            };
            detections = cascade_.detect(views, settings_, runner, threads, profile, trace);
        }
        py::list results;
        for (const Detections& found : detections) results.append(convert(found, profile, trace));
        return results;
    }

  private:
    static py::tuple convert(const Detections& found, bool profile, bool trace) {
        const auto n = static_cast<py::ssize_t>(found.boxes.size());
        py::object seconds = py::none();
        if (profile) seconds = py::cast(std::vector<double>(found.seconds.begin(), found.seconds.end()));
        py::object steps = py::none();
        if (trace) {
            py::list list;
            for (const Candidates& step : found.trace) {
                list.append(py::make_tuple(boxes_array(step.boxes), scores_array(step.scores)));
            }
            steps = std::move(list);
        }
        return py::make_tuple(boxes_array(found.boxes), scores_array(found.scores),
                              to_array(found.landmarks, {n, 5, 2}), std::move(seconds), std::move(steps));
    }

    const CascadeSettings settings_;
    const engine::NetworkWeights weights_;
    Cascade cascade_;
};

std::unique_ptr<Engine> make_engine(const py::dict& pnet, const py::dict& rnet, const py::dict& onet,
                                    double min_face_size, std::optional<double> max_face_size, double factor,
                                    const std::array<float, 3>& thresholds, const std::array<float, 4>& nms_thresholds,
                                    bool zero_border, bool rcnn_coding, std::optional<std::int64_t> max_faces,
                                    const std::string& isa, bool direct) {
    CascadeSettings settings;
    settings.min_face_size = min_face_size;
    if (max_face_size) settings.max_face_size = *max_face_size;
    settings.factor = factor;
    settings.thresholds = thresholds;
    settings.nms_thresholds = nms_thresholds;
    settings.border = zero_border ? Border::kZero : Border::kClip;
    settings.coding = rcnn_coding ? BoxCoding::kRcnn : BoxCoding::kCorner;
    if (max_faces) settings.max_faces = *max_faces;
    return std::make_unique<Engine>(pnet, rnet, onet, settings, isa, direct);
}

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const engine::KernelTable* const kernels : engine::available_kernels()) names.emplace_back(kernels->name);
    return names;
}

}  // namespace

void bind_engine(py::module_& m) {
    m.def("available_isas", &available_isas);
    py::class_<Engine>(m, "Engine")
        .def(py::init(&make_engine), py::arg("pnet"), py::arg("rnet"), py::arg("onet"), py::kw_only(),
             py::arg("min_face_size"), py::arg("max_face_size"), py::arg("factor"), py::arg("thresholds"),
             py::arg("nms_thresholds"), py::arg("zero_border"), py::arg("rcnn_coding"), py::arg("max_faces"),
             py::arg("isa"), py::arg("direct"))
        .def_property_readonly("isa", &Engine::isa)
        .def("detect", &Engine::detect, py::arg("images"), py::arg("num_threads"), py::arg("profile"),
             py::arg("trace"));
}

}  // namespace mtcnn_fast
