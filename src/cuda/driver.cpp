#include "cuda/driver.h"

#include <cuda.h>
#include <cuda_runtime.h>

#include <string>

#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

template <typename Function>
Function find_function(const char* name) {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    const cudaError_t error = cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found);
#else
    const cudaError_t error = cudaGetDriverEntryPoint(name, &function, cudaEnableDefault, &found);
#endif
    check(error, std::string("finding ") + name);
    if (function == nullptr) throw CudaError(std::string("the NVIDIA driver has no ") + name);
    return reinterpret_cast<Function>(function);
}

struct Driver {
    decltype(&cuInit) initialise = find_function<decltype(&cuInit)>("cuInit");
    decltype(&cuPointerGetAttributes) pointer_attributes =
        find_function<decltype(&cuPointerGetAttributes)>("cuPointerGetAttributes");
    decltype(&cuDevicePrimaryCtxRetain) retain =
        find_function<decltype(&cuDevicePrimaryCtxRetain)>("cuDevicePrimaryCtxRetain");
    decltype(&cuDevicePrimaryCtxRelease) release =
        find_function<decltype(&cuDevicePrimaryCtxRelease)>("cuDevicePrimaryCtxRelease");
    decltype(&cuCtxPushCurrent) push = find_function<decltype(&cuCtxPushCurrent)>("cuCtxPushCurrent");
    decltype(&cuCtxPopCurrent) pop = find_function<decltype(&cuCtxPopCurrent)>("cuCtxPopCurrent");
};

// Found at the first use. A use that fails is tried again.
const Driver& driver() {
    static const Driver found;
    return found;
}

void check_driver(CUresult result, const std::string& where) {
    if (result == CUDA_SUCCESS) return;
    const std::string hint = result == CUDA_ERROR_NOT_INITIALIZED ? std::string(": ") + kForkedProblem : "";
    throw CudaError(where + ": error " + std::to_string(static_cast<int>(result)) + " of the NVIDIA driver" + hint);
}

std::string context_text(int device) { return "the context of device " + std::to_string(device); }

}  // namespace

int device_of_pointer(const void* pointer) {
    CUmemorytype type{};
    int managed = 0, device = -1;
    CUpointer_attribute wanted[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                                    CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    void* values[] = {&type, &managed, &device};
    // Leaves 0 for memory that CUDA does not know.
    check_driver(driver().pointer_attributes(3, wanted, values, reinterpret_cast<CUdeviceptr>(pointer)),
                 "cuPointerGetAttributes");
    return (type == CU_MEMORYTYPE_DEVICE || managed != 0) && device >= 0 ? device : -1;
}

void hold_context(int device) {
    CUcontext context{};
    check_driver(driver().initialise(0), "cuInit");
    check_driver(driver().retain(&context, device), context_text(device));
}

DeviceGuard::DeviceGuard(int device) : device_(device) {
    const std::string where = context_text(device);
    CUcontext context{};
    check_driver(driver().retain(&context, device), where);
    const CUresult pushed = driver().push(context);
    if (pushed != CUDA_SUCCESS) driver().release(device);
    check_driver(pushed, where);
}

DeviceGuard::~DeviceGuard() {
    CUcontext context{};
    driver().pop(&context);
    driver().release(device_);
}

}  // namespace mtcnn_fast::cuda
