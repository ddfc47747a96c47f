// What the runtime cannot do without opening a context on the current device. The functions of the driver are found by
// name, so that nothing is linked and the module imports where there is no driver.
#pragma once

namespace mtcnn_fast::cuda {

// The device that a pointer's memory belongs to; -1 for memory that is not CUDA's, or is the host's.
int device_of_pointer(const void* pointer);

// Keeps a device's primary context until the process ends.
void hold_context(int device);

// Makes a device current for the lifetime of the object, by its primary context: cudaSetDevice would open a context on
// the previous device when it goes back.
class DeviceGuard {
  public:
    explicit DeviceGuard(int device);
    ~DeviceGuard();
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

  private:
    int device_;
};

}  // namespace mtcnn_fast::cuda
