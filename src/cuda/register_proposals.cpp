#include "cuda/bindings.h"
#include "cuda/proposals.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

// `_cuda.ProposalMap`: P-Net's output for the levels of one size.
struct ProposalMap {
    object scores;
    object offsets;
};

// `_cuda.ProposalTable`: the levels as the kernel reads them, and the chunks of work that they are.
struct ProposalTable {
    std::vector<ProposalLevel> levels;
    int64_t chunks = 0;

    explicit ProposalTable(std::vector<ProposalLevel> given) : levels(std::move(given)) {
        for (ProposalLevel& level : levels) {
            require(level.rows >= 0 && level.columns >= 0, "rows and columns must not be negative");
            require(level.map >= 0 && level.map < kMaxMaps && level.scores_at >= 0,
                    "map must be from 0 to " + std::to_string(kMaxMaps - 1) + " and slot not negative");
            level.first_chunk = static_cast<int32_t>(chunks);
            chunks += select_chunks(int64_t{level.rows} * level.columns);
            require(chunks < (int64_t{1} << 31), "levels have too many cells");
        }
    }
};

ProposalLevel make_level(int32_t map, int32_t slot, int32_t rows, int32_t columns, int32_t image, int32_t segment,
                         float scale) {
    const int64_t cells = int64_t{rows} * columns;
    return {map, rows, columns, image, segment, scale, 0, slot * cells, 4 * slot * cells};
}

void read_maps(Call& call, const std::vector<ProposalMap>& maps, ProposalArguments& a) {
    require(maps.size() <= static_cast<size_t>(kMaxMaps),
            "maps: at most " + std::to_string(kMaxMaps) + " are accepted, got " + std::to_string(maps.size()));
    a.map_count = static_cast<int>(maps.size());
    for (size_t i = 0; i < maps.size(); ++i) {
        const DeviceArray& map = call.array("maps' scores", maps[i].scores);
        a.maps.scores[i] = static_cast<const float*>(map.data("float32", {-1, -1, -1}, false));
        const std::vector<int64_t>& s = map.shape();
        a.maps.offsets[i] = call.in<float>("maps' offsets", maps[i].offsets, {s[0], 4, s[1], s[2]});
    }
}

void py_proposals(const std::vector<ProposalMap>& maps, const object& levels, int64_t chunks, float threshold,
                  const object& boxes, const object& scores, const object& offsets, const object& segments,
                  const object& images, const object& count, const object& selected, const object& workspace,
                  bool append, uint64_t stream) {
    Call call(stream);
    ProposalArguments a{};
    read_maps(call, maps, a);
    const Table<ProposalLevel> table = read_table<ProposalLevel>(call, "levels", levels, "a ProposalTable");
    a.levels = table.items;
    a.level_count = table.count;
    a.chunks = chunks;
    a.threshold = threshold;
    const DeviceArray& list = call.array("boxes", boxes);
    a.boxes = static_cast<Box*>(list.data("float32", {-1, 4}, true));
    const int64_t capacity = list.shape()[0];
    a.scores = call.out<float>("scores", scores, {capacity});
    a.offsets = call.boxes("offsets", offsets, capacity, true);
    a.segments = call.out<int32_t>("segments", segments, {capacity});
    a.images = call.out<int32_t>("images", images, {capacity});
    a.output = {call.out<int32_t>("count", count, {1}), call.out<int32_t>("selected", selected, {1}), capacity, append};
    const WorkspaceMemory space = read_workspace(call, workspace);
    call.run([&] { proposals(a, space.memory, space.bytes, call.stream()); });
}

}  // namespace

void register_proposals(py::module_& m) {
    using namespace py::literals;
    m.attr("MAX_MAPS") = kMaxMaps;
    py::class_<ProposalMap>(m, "ProposalMap", py::module_local())
        .def(py::init<object, object>(), "scores"_a, "offsets"_a)
        .def_readonly("scores", &ProposalMap::scores)
        .def_readonly("offsets", &ProposalMap::offsets);
    py::class_<ProposalLevel>(m, "ProposalLevel", py::module_local())
        .def(py::init(&make_level), "map"_a, "slot"_a, "rows"_a, "columns"_a, "image"_a, "segment"_a, "scale"_a)
        .def_readonly("map", &ProposalLevel::map)
        .def_readonly("rows", &ProposalLevel::rows)
        .def_readonly("columns", &ProposalLevel::columns)
        .def_readonly("image", &ProposalLevel::image)
        .def_readonly("segment", &ProposalLevel::segment)
        .def_readonly("scale", &ProposalLevel::scale);
    py::class_<ProposalTable>(m, "ProposalTable", py::module_local())
        .def(py::init<std::vector<ProposalLevel>>(), "levels"_a)
        .def_property_readonly("table", [](const ProposalTable& table) { return bytes_of(table.levels); })
        .def_readonly("chunks", &ProposalTable::chunks);
    m.def("proposals_workspace_size", proposals_workspace_size, "chunks"_a);
    m.def("proposals", py_proposals, "maps"_a, "levels"_a, "chunks"_a, "threshold"_a, "boxes"_a, "scores"_a,
          "offsets"_a, "segments"_a, "images"_a, "count"_a, "selected"_a, "workspace"_a, py::kw_only(),
          "append"_a = false, "stream"_a);
}

}  // namespace mtcnn_fast::cuda
