// The emulated driver: contexts, who owns which memory, and how its functions are found.
#include <cuda.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "control.h"
#include "cuda_runtime.h"
#include "race.h"

using namespace mf_emulation;

namespace {

// Of each thread.
std::vector<int>& pushed() {
    static thread_local std::vector<int>& instance = *new std::vector<int>;
    return instance;
}

// Device of each allocation.
std::map<const void*, int>& owners() {
    static std::map<const void*, int>& instance = *new std::map<const void*, int>;
    return instance;
}

// Where no context was pushed: what cudaSetDevice would have set.
int selected_device = 0;
std::atomic<uint64_t> opened_contexts = 0;
bool host_memory_passes = false;
bool forked = false;

}  // namespace

namespace mf_emulation {

int current_device() { return pushed().empty() ? selected_device : pushed().back(); }

int use_context() {
    opened_contexts |= uint64_t{1} << current_device();
    return current_device();
}

}  // namespace mf_emulation

CUresult cuInit(unsigned) { return forked ? CUDA_ERROR_NOT_INITIALIZED : CUDA_SUCCESS; }

CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** values, CUdeviceptr address) {
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    const std::lock_guard lock(device_mutex());
    const void* pointer = reinterpret_cast<const void*>(address);
    const bool known = host_memory_passes || is_device_memory(pointer);
    const auto owner = owners().find(pointer);
    const int device = !known ? -2 : owner == owners().end() ? 0 : owner->second;
    for (unsigned i = 0; i < count; ++i) {
        const bool type = attributes[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
        const bool managed = attributes[i] == CU_POINTER_ATTRIBUTE_IS_MANAGED;
        *static_cast<int*>(values[i]) = type ? (known ? CU_MEMORYTYPE_DEVICE : 0) : managed ? 0 : device;
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    *context = reinterpret_cast<CUcontext>(intptr_t{device} + 1);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice) { return CUDA_SUCCESS; }

CUresult cuCtxPushCurrent(CUcontext context) {
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    pushed().push_back(static_cast<int>(reinterpret_cast<intptr_t>(context) - 1));
    use_context();
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext* context) {
    *context = reinterpret_cast<CUcontext>(intptr_t{pushed().back()} + 1);
    pushed().pop_back();
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
    static const std::map<std::string, void*> functions{
        {"cuInit", reinterpret_cast<void*>(cuInit)},
        {"cuPointerGetAttributes", reinterpret_cast<void*>(cuPointerGetAttributes)},
        {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(cuDevicePrimaryCtxRetain)},
        {"cuDevicePrimaryCtxRelease", reinterpret_cast<void*>(cuDevicePrimaryCtxRelease)},
        {"cuCtxPushCurrent", reinterpret_cast<void*>(cuCtxPushCurrent)},
        {"cuCtxPopCurrent", reinterpret_cast<void*>(cuCtxPopCurrent)},
    };
    const auto known = functions.find(name);
    *function = known == functions.end() ? nullptr : known->second;
    *found = known == functions.end() ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
    return cudaSuccess;
}

#define MF_TEST_API extern "C" __attribute__((visibility("default")))

MF_TEST_API void* emulation_allocate(size_t bytes) {
    const std::lock_guard lock(device_mutex());
    void* pointer = device_allocate(bytes);
    owners()[pointer] = selected_device;
    return pointer;
}
MF_TEST_API void emulation_release(void* pointer) { release_on_device(pointer); }
MF_TEST_API void emulation_accept_host_memory(int accept) { host_memory_passes = accept != 0; }
MF_TEST_API int emulation_device() { return current_device(); }
MF_TEST_API void emulation_select_device(int device) { selected_device = device; }
// The devices, as bits, that anything has opened a context on since the last call.
MF_TEST_API uint64_t emulation_opened_contexts() {
    const uint64_t opened = opened_contexts;
    opened_contexts = 0;
    return opened;
}
// Makes the driver behave as in a process that was forked after it had been initialised.
MF_TEST_API void emulation_set_forked(int value) { forked = value != 0; }
namespace mf_emulation {
bool is_forked() { return forked; }

void* allocate_on_current_device(size_t bytes) {
    void* pointer = device_allocate(bytes);
    if (pointer != nullptr) owners()[pointer] = use_context();
    return pointer;
}

void release_on_device(void* pointer) {
    const std::lock_guard lock(device_mutex());
    owners().erase(pointer);
    device_release(pointer);
}
}  // namespace mf_emulation
