// The parts of the Python module `mtcnn_fast._cpu`.
#pragma once

#include <pybind11/pybind11.h>

namespace mtcnn_fast {

void register_engine(pybind11::module_& m);
void register_ops(pybind11::module_& m);
void register_processors(pybind11::module_& m);

}  // namespace mtcnn_fast
