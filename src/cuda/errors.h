// Errors of the CUDA module: what was wrong with an argument, or what the runtime said of a kernel.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace mtcnn_fast::cuda {

struct CudaError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Memory of the device or pinned memory that the driver does not have.
struct OutOfMemory : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What the driver's "not initialised" means where CUDA has worked before.
inline constexpr const char* kForkedProblem =
    "CUDA was initialised before this process was forked, and a forked process cannot use it; start worker processes "
    "by "
    "the method 'spawn' or 'forkserver', or ask for CUDA devices only in the workers";

// `where` names the kernel or call and its shapes.
inline void check(cudaError_t error, const std::string& where) {
    if (error == cudaSuccess) return;
    cudaGetLastError();  // so that a later, healthy call does not see this one's error
    const std::string hint = error == cudaErrorInitializationError ? std::string("; ") + kForkedProblem : "";
    throw CudaError(where + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")" + hint);
}

inline void require(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

}  // namespace mtcnn_fast::cuda
