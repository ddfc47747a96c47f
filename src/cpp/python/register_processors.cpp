// Registers what tells of this machine's processors.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "cpp/cpu_count.h"
#include "cpp/engine/isa.h"
#include "cpp/python/arguments.h"
#include "cpp/python/register.h"

namespace mtcnn_fast {
namespace {

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const engine::KernelTable* const kernels : engine::available_kernels()) names.emplace_back(kernels->name);
    return names;
}

}  // namespace

void register_processors(py::module_& m) {
    m.def("available_threads", &available_threads);
    m.def("available_isas", &available_isas);
    m.attr("MAX_THREADS") = kMaxThreads;
}

}  // namespace mtcnn_fast
