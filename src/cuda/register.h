// What the module `_cuda` consists of: one function and one file `register_*.cpp` for each group of operations.
#pragma once

#include <pybind11/pybind11.h>

namespace mtcnn_fast::cuda {

void register_errors();
void register_device(pybind11::module_& m);
void register_memory(pybind11::module_& m);
void register_images(pybind11::module_& m);  // before whatever takes images
void register_resize_pyramid(pybind11::module_& m);
void register_crop_pad_resize(pybind11::module_& m);
void register_batched_nms(pybind11::module_& m);
void register_pnet(pybind11::module_& m);
void register_crop_network(pybind11::module_& m);
void register_proposals(pybind11::module_& m);
void register_candidates(pybind11::module_& m);

}  // namespace mtcnn_fast::cuda
