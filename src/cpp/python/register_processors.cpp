// Registers the number of processors and their instruction sets.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "cpp/cpu_count.h"
#include "cpp/engine/isa.h"
#include "cpp/python/arguments.h"
#include "cpp/python/register.h"

namespace mtcnn_fast {
namespace {

std::vector<std::string> isa_names() {
    std::vector<std::string> names;
    for (const engine::Isa& isa : engine::available_isas()) names.emplace_back(isa.name);
    return names;
}

}  // namespace

void register_processors(py::module_& m) {
    m.def("available_threads", &available_threads);
    m.def("available_isas", &isa_names);
    m.def("has_tiles", [] { return engine::bfloat_kernels() != nullptr; });
    m.attr("MAX_THREADS") = kMaxThreads;
}

}  // namespace mtcnn_fast
