// What happens to lists of candidates between two networks.
#include <algorithm>
#include <array>

#include "cuda/bindings.h"
#include "cuda/refine.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

// `_cuda.Candidates`: a list of candidates; each member is an array or None.
struct CandidateArrays {
    object boxes;
    object scores;
    object offsets;
    object landmarks;
    object images;
};

Candidates read_candidates(Call& call, const CandidateArrays& arrays, int64_t length, bool writable) {
    Candidates c{};
    const auto read = [&](const char* name, const object& array, const char* dtype, const std::vector<int64_t>& shape) {
        return array.is_none() ? nullptr : call.array(name, array).data(dtype, shape, writable);
    };
    c.boxes = static_cast<Box*>(read("boxes", arrays.boxes, "float32", {length, 4}));
    c.scores = static_cast<float*>(read("scores", arrays.scores, "float32", {length}));
    c.offsets = static_cast<Box*>(read("offsets", arrays.offsets, "float32", {length, 4}));
    c.landmarks = static_cast<float*>(read("landmarks", arrays.landmarks, "float32", {length, kLandmarks, 2}));
    c.images = static_cast<int32_t*>(read("images", arrays.images, "int32", {length}));
    return c;
}

int64_t length_of(Call& call, const CandidateArrays& arrays) {
    const DeviceArray& boxes = call.array("boxes", arrays.boxes);
    require(boxes.shape().size() == 2, "boxes must be (n, 4) float32, got " + boxes.describe());
    return boxes.shape()[0];
}

void py_filter_candidates(const CandidateArrays& in, const object& points, const object& valid, const object& count,
                          float threshold, const CandidateArrays& out, const object& out_count, const object& selected,
                          const object& workspace, uint64_t stream) {
    Call call(stream);
    FilterArguments a{};
    a.length = length_of(call, in);
    a.in = read_candidates(call, in, a.length, false);
    a.points = call.optional_in<float>("points", points, {a.length, 2 * kLandmarks});
    a.valid = reinterpret_cast<const uint8_t*>(call.in<bool>("valid", valid, {a.length}));
    a.count = call.optional_in<int32_t>("count", count, {1});
    a.threshold = threshold;
    a.output.capacity = length_of(call, out);
    a.out = read_candidates(call, out, a.output.capacity, true);
    // By the objects: the pointer of an empty array may be null.
    require(!out.scores.is_none() && !out.images.is_none(), "out must have scores and images");
    require(out.offsets.is_none() || !in.offsets.is_none(), "in must have offsets if out has");
    require(points.is_none() || !out.landmarks.is_none(), "out must have landmarks if points are given");
    a.output.count = call.out<int32_t>("out_count", out_count, {1});
    a.output.selected = call.out<int32_t>("selected", selected, {1});
    const WorkspaceMemory space = read_workspace(call, workspace);
    call.run([&] { filter_candidates(a, space.memory, space.bytes, call.stream()); });
}

void py_gather_candidates(const CandidateArrays& in, const object& kept, const object& count,
                          const CandidateArrays& out, const object& out_count, const object& wanted, bool regress,
                          bool inclusive, bool rcnn_coding, bool square, uint64_t stream) {
    Call call(stream);
    GatherArguments a{};
    const int64_t length = length_of(call, in);
    a.in = read_candidates(call, in, length, false);
    a.capacity = length_of(call, out);
    a.out = read_candidates(call, out, a.capacity, true);
    const bool complete =
        (out.scores.is_none() || !in.scores.is_none()) && (out.offsets.is_none() || !in.offsets.is_none()) &&
        (out.landmarks.is_none() || !in.landmarks.is_none()) && (out.images.is_none() || !in.images.is_none());
    require(complete, "in must have every array that out has");
    if (kept.is_none()) {
        require(length >= a.capacity, "out must not be longer than in");
    } else {
        const DeviceArray& indices = call.array("kept", kept);
        a.kept = static_cast<const int64_t*>(indices.data("int64", {-1}, false));
        a.capacity = std::min(a.capacity, indices.shape()[0]);
    }
    a.count = call.in<int32_t>("count", count, {1});
    a.out_count = call.optional_out<int32_t>("out_count", out_count, {1});
    a.wanted = call.optional_out<int32_t>("wanted", wanted, {1});
    a.regress = regress;
    a.inclusive = inclusive;
    a.coding = rcnn_coding ? BoxCoding::kRcnn : BoxCoding::kCorner;
    a.square = square;
    call.run([&] { gather_candidates(a, call.stream()); });
}

void py_pack_faces(const CandidateArrays& in, const object& count, const object& boxes, const object& scores,
                   const object& landmarks, const object& counts, const object& wanted, const object& overflow,
                   const std::array<int32_t, kLists - 1>& limits, uint64_t stream) {
    Call call(stream);
    PackArguments a{};
    a.capacity = length_of(call, in);
    a.in = read_candidates(call, in, a.capacity, false);
    require(!in.scores.is_none() && !in.landmarks.is_none() && !in.images.is_none(),
            "in must have scores, landmarks and images");
    a.count = call.in<int32_t>("count", count, {1});
    const DeviceArray& table = call.array("boxes", boxes);
    a.boxes = static_cast<Box*>(table.data("float32", {-1, -1, 4}, true));
    a.image_count = static_cast<int>(table.shape()[0]);
    a.faces = table.shape()[1];
    a.scores = call.out<float>("scores", scores, {a.image_count, a.faces});
    a.landmarks = call.out<float>("landmarks", landmarks, {a.image_count, a.faces, kLandmarks, 2});
    a.counts = call.out<int32_t>("counts", counts, {a.image_count});
    a.wanted = call.out<int32_t>("wanted", wanted, {kLists});
    a.overflow = call.out<int32_t>("overflow", overflow, {1});
    std::copy(limits.begin(), limits.end(), a.limits);
    call.run([&] { pack_faces(a, call.stream()); });
}

}  // namespace

void register_candidates(py::module_& m) {
    using namespace py::literals;
    const object none = py::none();
    py::class_<CandidateArrays>(m, "Candidates", py::module_local())
        .def(py::init<object, object, object, object, object>(), "boxes"_a, "scores"_a = none, "offsets"_a = none,
             "landmarks"_a = none, "images"_a = none)
        .def_readonly("boxes", &CandidateArrays::boxes)
        .def_readonly("scores", &CandidateArrays::scores)
        .def_readonly("offsets", &CandidateArrays::offsets)
        .def_readonly("landmarks", &CandidateArrays::landmarks)
        .def_readonly("images", &CandidateArrays::images);
    m.attr("LISTS") = kLists;
    m.def("filter_workspace_size", filter_workspace_size, "length"_a);
    m.def("filter_candidates", py_filter_candidates, "candidates"_a, "points"_a, "valid"_a, "count"_a, "threshold"_a,
          "out"_a, "out_count"_a, "selected"_a, "workspace"_a, py::kw_only(), "stream"_a);
    m.def("gather_candidates", py_gather_candidates, "candidates"_a, "kept"_a, "count"_a, "out"_a, "out_count"_a,
          "wanted"_a, py::kw_only(), "regress"_a = false, "inclusive"_a = false, "rcnn_coding"_a = false,
          "square"_a = false, "stream"_a);
    m.def("pack_faces", py_pack_faces, "candidates"_a, "count"_a, "boxes"_a, "scores"_a, "landmarks"_a, "counts"_a,
          "wanted"_a, "overflow"_a, py::kw_only(), "limits"_a, "stream"_a);
}

}  // namespace mtcnn_fast::cuda
