// The Python module `mtcnn_fast._cuda`: arrays in device memory in, launches on the caller's stream out. It links no
// libtorch, and imports where there is no driver.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>

#include "cuda/batched_nms.h"
#include "cuda/call.h"
#include "cuda/crop_pad_resize.h"
#include "cuda/device.h"
#include "cuda/proposals.h"
#include "cuda/refine.h"
#include "cuda/resize_pyramid.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

// (address, row stride, pixel stride, channel stride, height, width): strides in bytes.
using ImageTuple = std::tuple<uintptr_t, int64_t, int64_t, int64_t, int32_t, int32_t>;
using SizeTuple = std::tuple<int32_t, int32_t, int32_t>;

template <typename T>
py::bytes bytes_of(const std::vector<T>& items) {
    return {reinterpret_cast<const char*>(items.data()), items.size() * sizeof(T)};
}

std::vector<DeviceImage> device_images(const std::vector<ImageTuple>& images) {
    std::vector<DeviceImage> table;
    for (const auto& [address, row, pixel, channel, height, width] : images) {
        table.push_back({reinterpret_cast<const uint8_t*>(address), row, pixel, channel, height, width});
    }
    return table;
}

ResizePlan make_plan(const std::vector<ImageTuple>& images, const std::vector<SizeTuple>& levels) {
    std::vector<LevelShape> shapes;
    for (const auto& [image, height, width] : levels) shapes.push_back({image, height, width});
    return ResizePlan(device_images(images), shapes);
}

DType float_type(const DeviceArray& array, const char* name) {
    require(array.dtype() == "float32" || array.dtype() == "float16",
            std::string(name) + " must be float32 or float16, got " + array.dtype());
    return array.dtype() == "float32" ? DType::kFloat32 : DType::kFloat16;
}

void py_resize_pyramid(const ResizePlan& plan, const object& table, const object& out, uint64_t stream) {
    Call call(stream);
    const auto* device_plan = call.in<uint8_t>("table", table, {static_cast<int64_t>(plan.bytes().size())});
    const DeviceArray& result = call.array("out", out);
    const DType dtype = float_type(result, "out");
    void* memory = result.data(result.dtype().c_str(), {plan.elements()}, true);
    call.run([&] { resize_pyramid(plan, device_plan, memory, dtype, call.stream()); });
}

void py_crop_pad_resize(const object& images, const object& boxes, const object& image_index, const object& count,
                        const object& out, const object& valid, bool zero_border, uint64_t stream) {
    Call call(stream);
    CropArguments a{};
    const DeviceArray& table = call.array("images", images);
    a.images = static_cast<const DeviceImage*>(table.data("uint8", {-1}, false));
    require(table.size() % static_cast<int64_t>(sizeof(DeviceImage)) == 0,
            "images must be the bytes of an image_table");
    a.image_count = static_cast<int>(table.size() / static_cast<int64_t>(sizeof(DeviceImage)));
    const DeviceArray& list = call.array("boxes", boxes);
    a.boxes = static_cast<const Box*>(list.data("float32", {-1, 4}, false));
    a.capacity = list.shape()[0];
    a.image_index = call.in<int32_t>("image_index", image_index, {a.capacity});
    a.count = call.optional_in<int32_t>("count", count, {1});
    const DeviceArray& result = call.array("out", out);
    a.dtype = float_type(result, "out");
    require(result.shape().size() == 4, "out must be (n, 3, size, size), got " + result.describe());
    const int64_t size = result.shape()[3];
    require(size >= 1 && size <= kMaxCropSize,
            "size must be from 1 to " + std::to_string(kMaxCropSize) + ", got " + std::to_string(size));
    a.size = static_cast<int>(size);
    a.out = result.data(result.dtype().c_str(), {a.capacity, 3, size, size}, true);
    a.valid = reinterpret_cast<uint8_t*>(call.out<bool>("valid", valid, {a.capacity}));
    a.border = zero_border ? Border::kZero : Border::kClip;
    call.run([&] { crop_pad_resize(a, call.stream()); });
}

void py_batched_nms(const object& boxes, const object& scores, const object& segments, int32_t segment_count,
                    const object& count, float threshold, bool iomin, const object& kept, const object& kept_count,
                    const object& workspace, uint64_t stream) {
    Call call(stream);
    NmsArguments a{};
    const DeviceArray& list = call.array("boxes", boxes);
    a.boxes = static_cast<const Box*>(list.data("float32", {-1, 4}, false));
    a.capacity = list.shape()[0];
    a.scores = call.in<float>("scores", scores, {a.capacity});
    a.segments = call.optional_in<int32_t>("segments", segments, {a.capacity});
    a.segment_count = segment_count;
    a.count = call.optional_in<int32_t>("count", count, {1});
    a.threshold = threshold;
    a.mode = iomin ? Overlap::kIoMin : Overlap::kIou;
    a.kept = call.out<int64_t>("kept", kept, {a.capacity});
    a.kept_count = call.out<int32_t>("kept_count", kept_count, {1});
    const DeviceArray& space = call.array("workspace", workspace);
    void* memory = space.data("uint8", {-1}, true);
    call.run([&] { batched_nms(a, memory, static_cast<size_t>(space.size()), call.stream()); });
}

// (map, slot, rows, columns, image, segment, scale)
using LevelTuple = std::tuple<int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, float>;

// The table for the device and how many chunks of work it means.
py::tuple py_proposal_table(const std::vector<LevelTuple>& levels) {
    std::vector<ProposalLevel> table;
    int64_t chunks = 0;
    for (const auto& [map, slot, rows, columns, image, segment, scale] : levels) {
        require(rows >= 0 && columns >= 0, "rows and columns must not be negative");
        require(map >= 0 && map < kMaxMaps && slot >= 0,
                "map must be from 0 to " + std::to_string(kMaxMaps - 1) + " and slot not negative");
        table.push_back({map, slot, rows, columns, image, segment, scale, static_cast<int32_t>(chunks)});
        chunks += select_chunks(int64_t{rows} * columns);
        require(chunks < (int64_t{1} << 31), "levels have too many cells");
    }
    return py::make_tuple(bytes_of(table), chunks);
}

void py_proposals(const std::vector<std::pair<object, object>>& maps, const object& levels, int64_t chunks,
                  float threshold, const object& boxes, const object& scores, const object& offsets,
                  const object& segments, const object& images, const object& count, const object& overflow,
                  const object& workspace, bool append, uint64_t stream) {
    Call call(stream);
    ProposalArguments a{};
    require(maps.size() <= static_cast<size_t>(kMaxMaps),
            "maps: at most " + std::to_string(kMaxMaps) + " are accepted, got " + std::to_string(maps.size()));
    a.map_count = static_cast<int>(maps.size());
    for (size_t i = 0; i < maps.size(); ++i) {
        const DeviceArray& map = call.array("maps' scores", maps[i].first);
        a.maps.scores[i] = static_cast<const float*>(map.data("float32", {-1, -1, -1}, false));
        const std::vector<int64_t>& s = map.shape();
        a.maps.offsets[i] = call.in<float>("maps' offsets", maps[i].second, {s[0], 4, s[1], s[2]});
    }
    const DeviceArray& table = call.array("levels", levels);
    a.levels = static_cast<const ProposalLevel*>(table.data("uint8", {-1}, false));
    require(table.size() % static_cast<int64_t>(sizeof(ProposalLevel)) == 0,
            "levels must be the bytes of a proposal_table");
    a.level_count = static_cast<int>(table.size() / static_cast<int64_t>(sizeof(ProposalLevel)));
    a.chunks = chunks;
    a.threshold = threshold;
    const DeviceArray& list = call.array("boxes", boxes);
    a.boxes = static_cast<Box*>(list.data("float32", {-1, 4}, true));
    const int64_t capacity = list.shape()[0];
    a.scores = call.out<float>("scores", scores, {capacity});
    a.offsets = call.boxes("offsets", offsets, capacity, true);
    a.segments = call.out<int32_t>("segments", segments, {capacity});
    a.images = call.out<int32_t>("images", images, {capacity});
    a.output = {call.out<int32_t>("count", count, {1}), call.optional_out<int32_t>("overflow", overflow, {1}), capacity,
                append};
    const DeviceArray& space = call.array("workspace", workspace);
    void* memory = space.data("uint8", {-1}, true);
    call.run([&] { proposals(a, memory, static_cast<size_t>(space.size()), call.stream()); });
}

// A list of candidates as Python gives it: (boxes, scores, offsets, landmarks, images), each an array or None.
using CandidateTuple = std::tuple<object, object, object, object, object>;

Candidates read_candidates(Call& call, const CandidateTuple& arrays, int64_t length, bool writable) {
    const auto& [boxes, scores, offsets, landmarks, images] = arrays;
    Candidates c{};
    const auto read = [&](const char* name, const object& array, const char* dtype, const std::vector<int64_t>& shape) {
        return array.is_none() ? nullptr : call.array(name, array).data(dtype, shape, writable);
    };
    c.boxes = static_cast<Box*>(read("boxes", boxes, "float32", {length, 4}));
    c.scores = static_cast<float*>(read("scores", scores, "float32", {length}));
    c.offsets = static_cast<Box*>(read("offsets", offsets, "float32", {length, 4}));
    c.landmarks = static_cast<float*>(read("landmarks", landmarks, "float32", {length, kLandmarks, 2}));
    c.images = static_cast<int32_t*>(read("images", images, "int32", {length}));
    return c;
}

int64_t length_of(Call& call, const CandidateTuple& arrays) {
    const DeviceArray& boxes = call.array("boxes", std::get<0>(arrays));
    require(boxes.shape().size() == 2, "boxes must be (n, 4) float32, got " + boxes.describe());
    return boxes.shape()[0];
}

void py_filter_candidates(const CandidateTuple& in, const object& points, const object& valid, const object& count,
                          float threshold, const CandidateTuple& out, const object& out_count, const object& overflow,
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
    require(a.out.scores != nullptr && a.out.images != nullptr, "out must have scores and images");
    require(a.out.offsets == nullptr || a.in.offsets != nullptr, "in must have offsets if out has");
    require(a.points == nullptr || a.out.landmarks != nullptr, "out must have landmarks if points are given");
    a.output.count = call.out<int32_t>("out_count", out_count, {1});
    a.output.overflow = call.optional_out<int32_t>("overflow", overflow, {1});
    const DeviceArray& space = call.array("workspace", workspace);
    void* memory = space.data("uint8", {-1}, true);
    call.run([&] { filter_candidates(a, memory, static_cast<size_t>(space.size()), call.stream()); });
}

void py_gather_candidates(const CandidateTuple& in, const object& kept, const object& count, bool regress,
                          bool rcnn_coding, float extra, bool square, const CandidateTuple& out, uint64_t stream) {
    Call call(stream);
    GatherArguments a{};
    a.in = read_candidates(call, in, length_of(call, in), false);
    a.capacity = length_of(call, out);
    a.out = read_candidates(call, out, a.capacity, true);
    const bool complete = (a.out.scores == nullptr || a.in.scores != nullptr) &&
                          (a.out.offsets == nullptr || a.in.offsets != nullptr) &&
                          (a.out.landmarks == nullptr || a.in.landmarks != nullptr) &&
                          (a.out.images == nullptr || a.in.images != nullptr);
    require(complete, "in must have every array that out has");
    if (kept.is_none()) {
        require(length_of(call, in) >= a.capacity, "out must not be longer than in");
    } else {
        const DeviceArray& indices = call.array("kept", kept);
        a.kept = static_cast<const int64_t*>(indices.data("int64", {-1}, false));
        a.capacity = std::min(a.capacity, indices.shape()[0]);
    }
    a.count = call.in<int32_t>("count", count, {1});
    a.regress = regress;
    a.coding = rcnn_coding ? BoxCoding::kRcnn : BoxCoding::kCorner;
    a.extra = extra;
    a.square = square;
    call.run([&] { gather_candidates(a, call.stream()); });
}

void py_pack_faces(const CandidateTuple& in, const object& count, const object& boxes, const object& scores,
                   const object& landmarks, const object& counts, const object& overflow, uint64_t stream) {
    Call call(stream);
    PackArguments a{};
    a.capacity = length_of(call, in);
    a.in = read_candidates(call, in, a.capacity, false);
    require(a.in.scores != nullptr && a.in.landmarks != nullptr && a.in.images != nullptr,
            "in must have scores, landmarks and images");
    a.count = call.in<int32_t>("count", count, {1});
    const DeviceArray& table = call.array("boxes", boxes);
    a.boxes = static_cast<Box*>(table.data("float32", {-1, -1, 4}, true));
    a.image_count = static_cast<int>(table.shape()[0]);
    a.faces = table.shape()[1];
    a.scores = call.out<float>("scores", scores, {a.image_count, a.faces});
    a.landmarks = call.out<float>("landmarks", landmarks, {a.image_count, a.faces, kLandmarks, 2});
    a.counts = call.out<int32_t>("counts", counts, {a.image_count});
    a.overflow = call.optional_out<int32_t>("overflow", overflow, {1});
    call.run([&] { pack_faces(a, call.stream()); });
}

py::dict py_status() {
    const DeviceStatus status = device_status();
    py::dict result;
    result["toolkit"] = status.toolkit;
    result["driver"] = status.driver;
    result["devices"] = status.devices;
    result["problem"] = status.problem;
    return result;
}

py::list py_devices() {
    py::list result;
    for (const DeviceInfo& info : device_infos()) {
        py::dict entry;
        entry["name"] = info.name;
        entry["capability"] = py::make_tuple(info.major, info.minor);
        entry["multiprocessors"] = info.multiprocessors;
        entry["memory"] = info.memory;
        result.append(entry);
    }
    return result;
}

void register_errors() {
    py::register_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const CudaError& cuda_error) {
            const object type = py::module_::import("mtcnn_fast.errors").attr("BackendError");
            PyErr_SetString(type.ptr(), cuda_error.what());
        }
    });
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    using namespace py::literals;
    register_errors();
    m.def("status", py_status);
    m.def("devices", py_devices);

    py::class_<ResizePlan>(m, "ResizePlan", py::module_local())
        .def(py::init(&make_plan), "images"_a, "levels"_a)
        .def_property_readonly("table", [](const ResizePlan& plan) { return bytes_of(plan.bytes()); })
        .def_property_readonly("offsets", &ResizePlan::offsets)
        .def_property_readonly("elements", &ResizePlan::elements)
        .def_property_readonly("blocks", &ResizePlan::blocks);
    m.def(
        "image_table", [](const std::vector<ImageTuple>& images) { return bytes_of(device_images(images)); },
        "images"_a);
    m.def("resize_pyramid", py_resize_pyramid, "plan"_a, "table"_a, "out"_a, py::kw_only(), "stream"_a);
    m.def("crop_pad_resize", py_crop_pad_resize, "images"_a, "boxes"_a, "image_index"_a, "count"_a, "out"_a, "valid"_a,
          py::kw_only(), "zero_border"_a, "stream"_a);
    m.def("batched_nms_workspace_size", batched_nms_workspace_size, "capacity"_a, "segment_count"_a);
    m.def("batched_nms", py_batched_nms, "boxes"_a, "scores"_a, "segments"_a, "segment_count"_a, "count"_a,
          "threshold"_a, "iomin"_a, "kept"_a, "kept_count"_a, "workspace"_a, py::kw_only(), "stream"_a);
    m.attr("MAX_MAPS") = kMaxMaps;
    m.def("proposal_table", py_proposal_table, "levels"_a);
    m.def("proposals_workspace_size", proposals_workspace_size, "chunks"_a);
    m.def("proposals", py_proposals, "maps"_a, "levels"_a, "chunks"_a, "threshold"_a, "boxes"_a, "scores"_a,
          "offsets"_a, "segments"_a, "images"_a, "count"_a, "overflow"_a, "workspace"_a, py::kw_only(),
          "append"_a = false, "stream"_a);
    m.def("filter_workspace_size", filter_workspace_size, "length"_a);
    m.def("filter_candidates", py_filter_candidates, "candidates"_a, "points"_a, "valid"_a, "count"_a, "threshold"_a,
          "out"_a, "out_count"_a, "overflow"_a, "workspace"_a, py::kw_only(), "stream"_a);
    m.def("gather_candidates", py_gather_candidates, "candidates"_a, "kept"_a, "count"_a, "regress"_a, "rcnn_coding"_a,
          "extra"_a, "square"_a, "out"_a, py::kw_only(), "stream"_a);
    m.def("pack_faces", py_pack_faces, "candidates"_a, "count"_a, "boxes"_a, "scores"_a, "landmarks"_a, "counts"_a,
          "overflow"_a, py::kw_only(), "stream"_a);
}

}  // namespace mtcnn_fast::cuda
