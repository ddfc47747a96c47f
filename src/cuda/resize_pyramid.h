#pragma once

#include "cuda/resize_plan.h"

namespace mtcnn_fast::cuda {

// Computes every level of every image of `plan` in one launch. `device_plan` holds plan.bytes() in device memory, and
// `out` plan.elements() elements of `dtype`: (3, h, w) planes, about [-1, 1], one level after the other.
void resize_pyramid(const ResizePlan& plan, const void* device_plan, void* out, DType dtype, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
