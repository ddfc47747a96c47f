// Errors of the CUDA module: what was wrong with an argument, or what the runtime said of a kernel.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace mtcnn_fast::cuda {

struct CudaError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// `where` names the kernel or call and its shapes.
inline void check(cudaError_t error, const std::string& where) {
    if (error == cudaSuccess) return;
    cudaGetLastError();  // so that a later, healthy call does not see this one's error
    throw CudaError(where + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

inline void require(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

}  // namespace mtcnn_fast::cuda
