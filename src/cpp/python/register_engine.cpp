// Registers the engine: the whole cascade in one call.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "common/boxes.h"
#include "common/crop_window.h"
#include "common/released_gil.h"
#include "cpp/cpu_count.h"
#include "cpp/engine/bfloat_network_pack.h"
#include "cpp/engine/byte_network.h"
#include "cpp/engine/byte_network_pack.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/engine/pnet_bfloat_pack.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/image_view.h"
#include "cpp/python/arguments.h"
#include "cpp/python/register.h"
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
        shape.reserve(static_cast<std::size_t>(array.ndim()));
        for (py::ssize_t i = 0; i < array.ndim(); ++i) shape.push_back(static_cast<std::size_t>(array.shape(i)));
        map.emplace(name, engine::Tensor{static_cast<const float*>(array.data()), std::move(shape)});
    }
    return map;
}

// The filter of bytes before R-Net: for each layer weights, scale, bias, slope and zero point; the head; the margin.
struct ByteFilter {
    std::vector<py::tuple> layers;
    py::array difference;
    float difference_bias;
    float margin;
};

// Those of bfloat16 before R-Net and O-Net, which make their weights of the networks'.
struct BfloatFilter {
    float rnet_margin;
    float onet_margin;
};

using FilterArguments = std::variant<std::monostate, ByteFilter, BfloatFilter>;

template <class T>
const T* elements(const py::array& array, const std::vector<py::ssize_t>& shape, const char* what) {
    if (!py::isinstance<py::array_t<T, py::array::c_style>>(array) ||
        std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()) != shape) {
        throw py::value_error(std::string(what) + " of the filter must be a C-contiguous array of the expected shape " +
                              "and type, got " + describe(array));
    }
    return static_cast<const T*>(array.data());
}

engine::ByteTensors byte_tensors(const ByteFilter& filter) {
    if (filter.layers.size() != engine::kRoughLayers) throw py::value_error("the filter must have four layers");
    engine::ByteTensors tensors{};
    for (std::size_t i = 0; i < engine::kRoughLayers; ++i) {
        const engine::ByteShape& shape = engine::kRNetBytes[i];
        const py::tuple& layer = filter.layers[i];
        if (layer.size() != 5) throw py::value_error("a layer of the filter must have five arrays");
        const auto vector = [&](std::size_t k, const char* what) {
            return elements<float>(py::cast<py::array>(layer[k]), {shape.outputs}, what);
        };
        tensors.layer[i] = {elements<std::int8_t>(py::cast<py::array>(layer[0]),
                                                  {shape.outputs, shape.segments, shape.bytes}, "weights"),
                            vector(1, "scale"), vector(2, "bias"), vector(3, "slope"), vector(4, "zero point")};
    }
    tensors.difference = elements<float>(filter.difference, {engine::kRNetStage.hidden}, "head");
    tensors.difference_bias = filter.difference_bias;
    return tensors;
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
           const std::string& isa, bool direct, const FilterArguments& filter, std::optional<float> pnet_margin)
        : settings_(settings),
          weights_(tensor_map(pnet), tensor_map(rnet), tensor_map(onet)),
          isa_(engine::select_isa(isa)),
          filters_(make_filters(filter)),
          cascade_(weights_, *isa_.kernels, direct ? engine::Algorithm::kDirect : engine::Algorithm::kFast, filters_,
                   make_rough_pnet(pnet_margin)) {}

    std::string isa() const { return isa_.name; }

    // `num_threads` of 0 means one thread for each processor, here and below.
    py::list detect(const py::list& images, py::ssize_t num_threads, bool profile, bool trace) {
        const std::vector<ImageView> views = image_views(images);
        const std::vector<Detections> detections =
            without_gil(num_threads, [&](const engine::Runner& runner, int threads) {
                return cascade_.detect(views, settings_, runner, threads, profile, trace);
            });
        py::list results;
        for (const Detections& found : detections) results.append(convert(found, profile, trace));
        return results;
    }

    py::list filter_differences(const py::list& images, const std::string& network, py::ssize_t num_threads) {
        if (network != "rnet" && network != "onet") {
            throw py::value_error("network must be 'rnet' or 'onet', got '" + network + "'");
        }
        const bool first = network == "rnet";
        if (!(first ? filters_.rnet : filters_.onet).run) {
            throw py::value_error("the engine was made without a filter before " + network);
        }
        const std::vector<ImageView> views = image_views(images);
        const auto found = without_gil(num_threads, [&](const engine::Runner& runner, int threads) {
            const auto of = first ? engine::FilteredNetwork::kRNet : engine::FilteredNetwork::kONet;
            return cascade_.filter_differences(views, of, settings_, runner, threads);
        });
        py::list results;
        for (const engine::FilterDifferences& of : found) {
            results.append(py::make_tuple(scores_array(of.exact), scores_array(of.filter)));
        }
        return results;
    }

    py::list propose(const py::list& images, py::ssize_t num_threads) {
        const std::vector<ImageView> views = image_views(images);
        const std::vector<Detections> proposals =
            without_gil(num_threads, [&](const engine::Runner& runner, int threads) {
                return cascade_.propose(views, settings_, runner, threads);
            });
        py::list results;
        for (const Detections& found : proposals) {
            results.append(py::make_tuple(boxes_array(found.boxes), scores_array(found.scores)));
        }
        return results;
    }

    py::list refine(const py::list& images, const py::list& boxes, py::ssize_t num_threads) {
        const std::vector<ImageView> views = image_views(images);
        if (boxes.size() != images.size()) throw py::value_error("there must be one array of boxes for each image");
        std::vector<std::vector<Box>> given;
        given.reserve(boxes.size());
        for (const auto& part : boxes) given.push_back(box_list(py::cast<py::array>(part)));
        const std::vector<Detections> detections =
            without_gil(num_threads, [&](const engine::Runner& runner, int threads) {
                return cascade_.refine(views, given, settings_, runner, threads);
            });
        py::list results;
        for (const Detections& found : detections) {
            results.append(py::make_tuple(boxes_array(found.boxes), scores_array(found.scores),
                                          to_array(found.landmarks, landmarks_shape(found))));
        }
        return results;
    }

  private:
    engine::CropFilters make_filters(const FilterArguments& arguments) {
        if (!std::holds_alternative<std::monostate>(arguments) && weights_.rnet().stage != engine::kRNetStage) {
            throw py::value_error("a filter needs an R-Net of the standard widths");
        }
        if (const auto* const bytes = std::get_if<ByteFilter>(&arguments)) {
            byte_network_ = std::make_unique<engine::ByteNetwork>(byte_tensors(*bytes));
            return {{&byte_network_->weights(), &engine::byte_kernel(isa_), bytes->margin}, {}};
        }
        if (const auto* const bfloat = std::get_if<BfloatFilter>(&arguments)) {
            const engine::BfloatKernels* const kernels = engine::bfloat_kernels();
            if (kernels == nullptr) throw py::value_error("the filter of bfloat16 needs AMX");
            if (weights_.onet().stage != engine::kONetStage) {
                throw py::value_error("the filter of bfloat16 needs an O-Net of the standard widths");
            }
            rough_rnet_ = std::make_unique<engine::BfloatNetwork>(engine::kRNetStage, weights_.rnet());
            rough_onet_ = std::make_unique<engine::BfloatNetwork>(engine::kONetStage, weights_.onet());
            return {{&rough_rnet_->weights(), &kernels->rnet, bfloat->rnet_margin},
                    {&rough_onet_->weights(), &kernels->onet, bfloat->onet_margin}};
        }
        return {};
    }

    engine::RoughPNet make_rough_pnet(std::optional<float> margin) {
        if (!margin) return {};
        const engine::PNetBfloatKernel* const kernel = engine::pnet_bfloat_kernel();
        if (kernel == nullptr) throw py::value_error("the filter of bfloat16 needs AMX");
        pnet_bfloat_ = std::make_unique<engine::PNetBfloat>(weights_.pnet());
        return {kernel, &pnet_bfloat_->weights(), *margin};
    }

    static std::vector<ImageView> image_views(const py::list& images) {
        std::vector<ImageView> views;
        views.reserve(images.size());
        for (const auto& image : images) {
            views.push_back(image_view(py::cast<py::array>(image), engine::kMaxDetectedSide));
        }
        return views;
    }

    static std::vector<Box> box_list(const py::array& array) {
        if (!py::isinstance<py::array_t<float, py::array::c_style>>(array) || array.ndim() != 2 ||
            array.shape(1) != 4) {
            throw py::value_error("boxes must be C-contiguous (N, 4) float32 arrays, got " + describe(array));
        }
        std::vector<Box> boxes(static_cast<std::size_t>(array.shape(0)));
        if (!boxes.empty()) std::memcpy(boxes.data(), array.data(), boxes.size() * sizeof(Box));
        return boxes;
    }

    static std::vector<py::ssize_t> landmarks_shape(const Detections& found) {
        return {static_cast<py::ssize_t>(found.boxes.size()), 5, 2};
    }

    // Calls work(runner, threads) with the GIL released, and returns what it returns.
    template <class Work>
    static auto without_gil(py::ssize_t num_threads, const Work& work)
        -> decltype(work(std::declval<const engine::Runner&>(), 1)) {
        require(num_threads >= 0 && num_threads <= kMaxThreads, "num_threads must be from 0 to 1024", num_threads);
        ReleasedGil released;
        const int threads = num_threads > 0 ? static_cast<int>(num_threads) : available_threads();
        const engine::Runner runner = [&](std::int64_t n, const engine::Task& task) {
            ThreadPool::shared().run(n, threads, task, [&] { released.check_signals(); });
        };
        return work(runner, threads);
    }

    static py::tuple convert(const Detections& found, bool profile, bool trace) {
        py::object seconds = py::none();
        if (profile) seconds = py::cast(std::vector<double>(found.seconds.begin(), found.seconds.end()));
        py::object steps = py::none();
        if (trace) {
            py::list list;
            for (const Candidates& step : found.trace) {
                const engine::Dropped& dropped = step.dropped;
                std::vector<int> reasons;
                reasons.reserve(dropped.reasons.size());
                for (const engine::Reason reason : dropped.reasons) reasons.push_back(static_cast<int>(reason));
                list.append(py::make_tuple(boxes_array(step.boxes), scores_array(step.scores),
                                           boxes_array(dropped.boxes), scores_array(dropped.scores), py::cast(reasons),
                                           boxes_array(dropped.by)));
            }
            steps = std::move(list);
        }
        return py::make_tuple(boxes_array(found.boxes), scores_array(found.scores),
                              to_array(found.landmarks, landmarks_shape(found)), std::move(seconds), std::move(steps));
    }

    const CascadeSettings settings_;
    const engine::NetworkWeights weights_;
    const engine::Isa isa_;
    std::unique_ptr<const engine::ByteNetwork> byte_network_;
    std::unique_ptr<const engine::BfloatNetwork> rough_rnet_;
    std::unique_ptr<const engine::BfloatNetwork> rough_onet_;
    std::unique_ptr<const engine::PNetBfloat> pnet_bfloat_;
    const engine::CropFilters filters_;
    Cascade cascade_;
};

std::unique_ptr<Engine> make_engine(const py::dict& pnet, const py::dict& rnet, const py::dict& onet,
                                    double min_face_size, std::optional<double> max_face_size, double factor,
                                    const std::array<float, 3>& thresholds, const std::array<float, 4>& nms_thresholds,
                                    bool zero_border, bool rcnn_coding, std::optional<std::int64_t> max_faces,
                                    const std::string& isa, bool direct, const py::object& filter,
                                    std::optional<float> pnet_margin) {
    CascadeSettings settings;
    settings.min_face_size = min_face_size;
    if (max_face_size) settings.max_face_size = *max_face_size;
    settings.factor = factor;
    settings.thresholds = thresholds;
    settings.nms_thresholds = nms_thresholds;
    settings.border = zero_border ? Border::kZero : Border::kClip;
    settings.coding = rcnn_coding ? BoxCoding::kRcnn : BoxCoding::kCorner;
    if (max_faces) settings.max_faces = *max_faces;
    FilterArguments arguments;
    if (py::isinstance<py::dict>(filter)) {
        arguments = BfloatFilter{py::cast<float>(filter["rnet"]), py::cast<float>(filter["onet"])};
    } else if (!filter.is_none()) {
        const auto [layers, head, head_bias, margin] =
            py::cast<std::tuple<std::vector<py::tuple>, py::array, float, float>>(filter);
        arguments = ByteFilter{layers, head, head_bias, margin};
    }
    return std::make_unique<Engine>(pnet, rnet, onet, settings, isa, direct, arguments, pnet_margin);
}

template <std::size_t N>
py::tuple names(const std::array<const char*, N>& values) {
    py::tuple tuple(N);
    for (std::size_t i = 0; i < N; ++i) tuple[i] = values[i];
    return tuple;
}

}  // namespace

void register_engine(py::module_& m) {
    m.attr("STAGES") = names(engine::kStageNames);
    m.attr("STEPS") = names(engine::kStepNames);
    m.attr("REASONS") = names(engine::kReasonNames);
    m.attr("MAX_SIDE") = engine::kMaxDetectedSide;
    py::class_<Engine>(m, "Engine")
        .def(py::init(&make_engine), py::arg("pnet"), py::arg("rnet"), py::arg("onet"), py::kw_only(),
             py::arg("min_face_size"), py::arg("max_face_size"), py::arg("factor"), py::arg("thresholds"),
             py::arg("nms_thresholds"), py::arg("zero_border"), py::arg("rcnn_coding"), py::arg("max_faces"),
             py::arg("isa"), py::arg("direct"), py::arg("filter"), py::arg("pnet_margin"))
        .def_property_readonly("isa", &Engine::isa)
        .def("detect", &Engine::detect, py::arg("images"), py::arg("num_threads"), py::arg("profile"), py::arg("trace"))
        .def("filter_differences", &Engine::filter_differences, py::arg("images"), py::arg("network"),
             py::arg("num_threads"))
        .def("propose", &Engine::propose, py::arg("images"), py::arg("num_threads"))
        .def("refine", &Engine::refine, py::arg("images"), py::arg("boxes"), py::arg("num_threads"));
}

}  // namespace mtcnn_fast
