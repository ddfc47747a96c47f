// The one way a kernel is started.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include <string>

#include "common/hd.h"
#include "cuda/errors.h"

namespace mtcnn_fast::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xffffffffu;

// Before a loop whose body nvcc must not repeat, one that it must resolve, so that arrays become registers, and one
// whose body it repeats, so that loads overlap.
#ifdef __CUDACC__
#define MF_NO_UNROLL _Pragma("unroll 1")
#define MF_UNROLL _Pragma("unroll")
#define MF_UNROLL_BY_FOUR _Pragma("unroll 4")
#else
#define MF_NO_UNROLL
#define MF_UNROLL
#define MF_UNROLL_BY_FOUR
#endif

template <typename T>
MF_HD T divide_up(T a, T b) {
    return (a + b - 1) / b;
}

MF_HD int round_up(int n, int multiple) { return divide_up(n, multiple) * multiple; }

struct Launch {
    const char* kernel;
    std::string shapes;  // for the error's text
    dim3 grid;
    unsigned threads;
    cudaStream_t stream;
    size_t shared_memory = 0;  // bytes that the kernel uses beside what it declares
};

// What every device grants a block without being asked, for what its kernel declares and for what the launch adds, and
// the most that a kernel with an addition may declare: scripts/cuda_report.py checks it.
inline constexpr size_t kGrantedSharedMemory = 48 * 1024;
inline constexpr size_t kMostDeclaredSharedMemory = 2 * 1024;

// Does nothing for an empty grid. Never synchronises: an error while the kernel runs surfaces at the caller's next
// synchronisation.
template <typename... Params, typename... Args>
void launch(const Launch& how, void (*kernel)(Params...), const Args&... args) {
    if (how.grid.x == 0 || how.grid.y == 0) return;
    cudaLaunchConfig_t config{};
    config.gridDim = how.grid;
    config.blockDim = dim3(how.threads);
    config.stream = how.stream;
    config.dynamicSmemBytes = how.shared_memory;
    cudaError_t error = cudaSuccess;
    if (how.shared_memory + kMostDeclaredSharedMemory > kGrantedSharedMemory) {
        error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(how.shared_memory));
    }
    if (error == cudaSuccess) error = cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
    if (error == cudaSuccess) return;
    check(error, std::string(how.kernel) + " (" + how.shapes + "; grid " + std::to_string(how.grid.x) + "x" +
                     std::to_string(how.grid.y) + ", block " + std::to_string(how.threads) + ", shared memory " +
                     std::to_string(how.shared_memory) + ")");
}

// Every piece of a workspace, and every table or image that Python places in one allocation, begins at a multiple of
// this many bytes, as cudaMalloc's own blocks do.
inline constexpr size_t kAlignment = 256;

// Hands out aligned pieces of a caller's workspace; with a null base it only adds up their sizes.
class Workspace {
  public:
    explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}

    template <typename T>
    T* take(int64_t count) {
        T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
        used_ += divide_up<size_t>(static_cast<size_t>(count) * sizeof(T), kAlignment) * kAlignment;
        return piece;
    }
    size_t used() const { return used_; }

  private:
    char* base_;
    size_t used_ = 0;
};

}  // namespace mtcnn_fast::cuda
