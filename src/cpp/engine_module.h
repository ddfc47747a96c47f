// The part of the Python module that the engine adds.
#pragma once

#include <pybind11/pybind11.h>

namespace mtcnn_fast {

void bind_engine(pybind11::module_& m);

}  // namespace mtcnn_fast
