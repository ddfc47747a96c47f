#pragma once

#include <string>
#include <vector>

namespace mtcnn_fast::cuda {

struct DeviceStatus {
    int toolkit;          // CUDA version that this module was built with, 1000 * major + 10 * minor
    int driver;           // newest CUDA version that the driver supports; 0: there is no driver
    int devices;          // that can be used
    std::string problem;  // why there is none; empty if there is one
};

// Works without a driver, and opens no context. The runtime has one error code for a missing and for an old driver; its
// version tells which.
DeviceStatus device_status();

struct DeviceInfo {
    std::string name;
    int major;
    int minor;
    int multiprocessors;
    size_t memory;         // bytes
    size_t shared_memory;  // bytes that a block may ask for
    std::string problem;   // why this module's kernels do not run on it; empty if they do
};

// Of every device; empty without one.
std::vector<DeviceInfo> device_infos();

}  // namespace mtcnn_fast::cuda
