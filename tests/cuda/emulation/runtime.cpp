// The host side of the emulated device: memory, streams in order (everything happens at once), one device whose driver
// version the tests set, and the entry points that the tests call.
#include "cuda_runtime.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "control.h"
#include "race.h"

using namespace mf_emulation;

namespace {

std::mt19937_64& generator() {
    static std::mt19937_64& instance = *new std::mt19937_64(0);
    return instance;
}

// Device of each allocation.
std::map<const void*, int>& owners() {
    static std::map<const void*, int>& instance = *new std::map<const void*, int>;
    return instance;
}

int driver_version = CUDART_VERSION;
int devices = 2;
int current_device = 0;
int waits = 0;
int launch_device = -1;
unsigned most_blocks = 0;
bool host_memory_passes = false;
cudaError_t last_error = cudaSuccess;

cudaError_t keep(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

}  // namespace

namespace mf_emulation {

unsigned random_below(unsigned bound) { return static_cast<unsigned>(generator()() % bound); }

bool begin_launch(uint64_t blocks) {
    launch_device = current_device;
    return most_blocks == 0 || blocks <= most_blocks;
}

void record_atomic(const void* address, size_t bytes) { note_access(address, bytes, Access::kAtomic); }

}  // namespace mf_emulation

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "cudaSuccess";
        case cudaErrorInvalidValue:
            return "cudaErrorInvalidValue";
        case cudaErrorInvalidConfiguration:
            return "cudaErrorInvalidConfiguration";
        case cudaErrorInsufficientDriver:
            return "cudaErrorInsufficientDriver";
        case cudaErrorInvalidDevice:
            return "cudaErrorInvalidDevice";
        case cudaErrorLaunchFailure:
            return "cudaErrorLaunchFailure";
    }
    return "cudaErrorUnknown";
}

const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaDriverGetVersion(int* version) {
    *version = driver_version;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = driver_version < CUDART_VERSION ? 0 : devices;
    return driver_version < CUDART_VERSION ? keep(cudaErrorInsufficientDriver) : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    *properties = {};
    std::strcpy(properties->name, "emulated");
    properties->major = 7;
    properties->minor = 5;
    properties->multiProcessorCount = 1;
    properties->totalGlobalMem = size_t{256} << 20;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
    *device = current_device;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    const bool known = host_memory_passes || is_device_memory(pointer);
    const auto owner = owners().find(pointer);
    const int device = owner == owners().end() ? 0 : owner->second;
    *attributes = {known ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered, known ? device : -2};
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t) {
    std::memset(pointer, value, bytes);
    note_host_write(pointer, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
    std::memcpy(to, from, bytes);
    note_host_write(to, bytes);
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = reinterpret_cast<cudaEvent_t>(&waits);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
    ++waits;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

#define MF_TEST_API extern "C" __attribute__((visibility("default")))

MF_TEST_API void emulation_seed(uint64_t seed) { generator().seed(seed); }
MF_TEST_API void* emulation_allocate(size_t bytes) {
    void* pointer = device_allocate(bytes);
    owners()[pointer] = current_device;
    return pointer;
}
MF_TEST_API void emulation_release(void* pointer) {
    owners().erase(pointer);
    device_release(pointer);
}
MF_TEST_API void emulation_upload(void* to, const void* from, size_t bytes) {
    cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, nullptr);
}
MF_TEST_API void emulation_set_driver(int version, int count) {
    driver_version = version;
    devices = count;
}
MF_TEST_API void emulation_accept_host_memory(int accept) { host_memory_passes = accept != 0; }
MF_TEST_API int emulation_device() { return current_device; }
MF_TEST_API void emulation_select_device(int device) { current_device = device; }
// Device that was current at the last launch.
MF_TEST_API int emulation_launch_device() { return launch_device; }
// Launches of more blocks fail as on a smaller device; 0: none does.
MF_TEST_API void emulation_refuse_blocks(unsigned most) { most_blocks = most; }
MF_TEST_API int emulation_stream_waits() { return waits; }
MF_TEST_API void emulation_clear_reports() { reports().clear(); }
MF_TEST_API size_t emulation_reports(char* text, size_t room) {
    std::string joined;
    for (const std::string& line : reports()) joined += line + "\n";
    const size_t length = joined.copy(text, room == 0 ? 0 : room - 1);
    if (room != 0) text[length] = '\0';
    return reports().size();
}
