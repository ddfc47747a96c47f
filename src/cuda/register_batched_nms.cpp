#include "cuda/batched_nms.h"
#include "cuda/bindings.h"
#include "cuda/register.h"

namespace py = pybind11;
using py::object;

namespace mtcnn_fast::cuda {
namespace {

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
    const WorkspaceMemory space = read_workspace(call, workspace);
    call.run([&] { batched_nms(a, space.memory, space.bytes, call.stream()); });
}

}  // namespace

void register_batched_nms(py::module_& m) {
    using namespace py::literals;
    m.def("batched_nms_workspace_size", batched_nms_workspace_size, "capacity"_a, "segment_count"_a);
    m.def("batched_nms", py_batched_nms, "boxes"_a, "scores"_a, "segments"_a, "segment_count"_a, "count"_a,
          "threshold"_a, "iomin"_a, "kept"_a, "kept_count"_a, "workspace"_a, py::kw_only(), "stream"_a);
}

}  // namespace mtcnn_fast::cuda
