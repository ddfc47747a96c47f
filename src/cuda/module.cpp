// The Python module `mtcnn_fast._cuda`: arrays in device memory in, launches on the caller's stream out. It links no
// libtorch, and imports where there is no driver.
#include "cuda/register.h"

namespace mtcnn_fast::cuda {

PYBIND11_MODULE(_cuda, m, pybind11::mod_gil_not_used()) {
    register_errors();
    register_device(m);
    register_memory(m);
    register_images(m);
    register_resize_pyramid(m);
    register_crop_pad_resize(m);
    register_batched_nms(m);
    register_pnet(m);
    register_crop_network(m);
    register_proposals(m);
    register_candidates(m);
}

}  // namespace mtcnn_fast::cuda
