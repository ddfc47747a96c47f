#include "cuda/device.h"

#include <cuda_runtime.h>
#include <unistd.h>

#include <atomic>

#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

// Any driver for the toolkit's major version runs its binaries (NVIDIA, "CUDA Compatibility", minor version
// compatibility); the first driver branch for each is listed there too.
constexpr int kFloor = CUDART_VERSION / 1000 * 1000;
constexpr const char* kFloorBranch = kFloor >= 13000 ? "R580" : "R525";

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Oldest compute capability that the build has code for: 10 * major + minor.
#ifndef MTCNN_FAST_CUDA_OLDEST
#define MTCNN_FAST_CUDA_OLDEST 75
#endif

// The process that first counted devices, which initialises the driver; 0: none has.
std::atomic<pid_t> initialised_in{0};

// A forked child inherits a driver that it cannot use.
bool forked_since() {
    pid_t nobody = 0;
    return !initialised_in.compare_exchange_strong(nobody, ::getpid()) && initialised_in != ::getpid();
}

std::string capability_problem(int major, int minor) {
    if (10 * major + minor >= MTCNN_FAST_CUDA_OLDEST) return "";
    return "its compute capability " + std::to_string(major) + "." + std::to_string(minor) +
           " is older than any that this build has code for (" + std::to_string(MTCNN_FAST_CUDA_OLDEST / 10) + "." +
           std::to_string(MTCNN_FAST_CUDA_OLDEST % 10) + ")";
}

std::string find_problem(int driver, int devices, cudaError_t error) {
    if (driver == 0) return "there is no NVIDIA driver (or this container does not see it)";
    if (driver < kFloor) {
        return "the NVIDIA driver is too old: it supports CUDA up to " + version_text(driver) +
               " and this build needs " + version_text(kFloor) + " (driver branch " + kFloorBranch + ") or newer";
    }
    if (error == cudaErrorInitializationError) return kForkedProblem;
    if (error != cudaSuccess) return std::string("the CUDA runtime says: ") + cudaGetErrorString(error);
    if (devices == 0) return "the NVIDIA driver finds no device (is CUDA_VISIBLE_DEVICES set to hide it?)";
    return "";
}

}  // namespace

DeviceStatus device_status() {
    DeviceStatus status{CUDART_VERSION, 0, 0, ""};
    if (cudaDriverGetVersion(&status.driver) != cudaSuccess) status.driver = 0;
    cudaError_t error = cudaSuccess;
    if (status.driver >= kFloor) {
        error = forked_since() ? cudaErrorInitializationError : cudaGetDeviceCount(&status.devices);
    }
    if (error != cudaSuccess) status.devices = 0;
    cudaGetLastError();
    status.problem = find_problem(status.driver, status.devices, error);
    return status;
}

std::vector<DeviceInfo> device_infos() {
    std::vector<DeviceInfo> infos;
    const int devices = device_status().devices;
    for (int i = 0; i < devices; ++i) {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, i), "cudaGetDeviceProperties(" + std::to_string(i) + ")");
        infos.push_back({properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                         properties.totalGlobalMem, properties.sharedMemPerBlockOptin,
                         capability_problem(properties.major, properties.minor)});
    }
    return infos;
}

}  // namespace mtcnn_fast::cuda
