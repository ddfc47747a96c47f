// The Python module `mtcnn_fast._cpu`. Each part checks its arguments, allocates results and releases the GIL.
#include <pybind11/pybind11.h>

#include "cpp/python/register.h"

PYBIND11_MODULE(_cpu, m, pybind11::mod_gil_not_used()) {
    m.doc() = "Native code of mtcnn_fast for the CPU. Private: see mtcnn_fast.ops.";
    mtcnn_fast::register_processors(m);
    mtcnn_fast::register_ops(m);
    mtcnn_fast::register_engine(m);
}
