// Stands in for the toolkit's header of this name, so that the project's .cu files compile unchanged with g++ and run
// on an emulated device (machine.h). Only what the kernels use is here; anything else is a compile error.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>

#include "machine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__
// One block runs at a time, so its shared memory can be static.
#define __shared__ static

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(8) int2 {
    int x, y;
};

// Not macros: the launch configuration has members of these names.
inline constexpr const mf_emulation::Extent& threadIdx = mf_emulation::here.thread;
inline constexpr const mf_emulation::Extent& blockIdx = mf_emulation::here.block;
inline constexpr const mf_emulation::Extent& blockDim = mf_emulation::here.block_size;
inline constexpr const mf_emulation::Extent& gridDim = mf_emulation::here.grid_size;
inline constexpr int warpSize = 32;

// --- Barriers and warp operations. The call site tells the machine whether lanes meet at the same place.
#define __syncthreads() ::mf_emulation::sync_block(MF_SITE)
#define __syncwarp(...) ::mf_emulation::sync_warp(MF_SITE __VA_OPT__(, ) __VA_ARGS__)
#define __activemask() ::mf_emulation::active_mask(MF_SITE)
#define __ballot_sync(mask, predicate) ::mf_emulation::ballot(MF_SITE, mask, predicate)
#define __any_sync(mask, predicate) (::mf_emulation::ballot(MF_SITE, mask, predicate) != 0)
#define __shfl_sync(mask, value, lane) \
    ::mf_emulation::shuffle(MF_SITE, mask, value, ::mf_emulation::Shuffle::kIndex, lane)
#define __shfl_up_sync(mask, value, delta) \
    ::mf_emulation::shuffle(MF_SITE, mask, value, ::mf_emulation::Shuffle::kUp, delta)
#define __shfl_down_sync(mask, value, delta) \
    ::mf_emulation::shuffle(MF_SITE, mask, value, ::mf_emulation::Shuffle::kDown, delta)
#define __shfl_xor_sync(mask, value, lanes) \
    ::mf_emulation::shuffle(MF_SITE, mask, value, ::mf_emulation::Shuffle::kXor, lanes)

// --- Atomics: one fiber runs at a time, so a plain update is atomic. Where a kernel's other accesses are recorded, it
// is recorded as what it is.
template <typename T, typename Update>
__attribute__((no_sanitize("thread"))) T mf_atomic(T* address, const Update& update) {
#if defined(__SANITIZE_THREAD__)
    ::mf_emulation::record_atomic(address, sizeof(T));
#endif
    const T old = *address;
    *address = update(old);
    return old;
}
template <typename T>
T atomicAdd(T* address, T value) {
    return mf_atomic(address, [=](T old) { return static_cast<T>(old + value); });
}
template <typename T>
T atomicMax(T* address, T value) {
    return mf_atomic(address, [=](T old) { return old < value ? value : old; });
}

// --- Arithmetic
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __popcll(unsigned long long value) { return __builtin_popcountll(value); }
inline int __ffsll(long long value) { return __builtin_ffsll(value); }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline unsigned __float_as_uint(float value) { return __builtin_bit_cast(unsigned, value); }

// --- Host interface
using cudaStream_t = struct MfStream*;
using cudaEvent_t = struct MfEvent*;
enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorInvalidDevice = 101,
    cudaErrorNotReady = 600,
    cudaErrorLaunchFailure = 719,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess = 0, cudaDriverEntryPointSymbolNotFound = 1 };
inline constexpr unsigned long long cudaEnableDefault = 0;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaStreamNonBlocking = 1;
#define CUDART_VERSION 13000

struct cudaDeviceProp {
    char name[256];
    int major, minor, multiProcessorCount;
    size_t totalGlobalMem;
    size_t sharedMemPerBlockOptin;
};
struct cudaLaunchConfig_t {
    dim3 gridDim;
    dim3 blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    void* attrs;
    unsigned numAttrs;
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version,
                                             unsigned long long flags, cudaDriverEntryPointQueryResult* found);
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);

template <typename... Params, typename... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...), Args&&... args) {
    const std::tuple<std::decay_t<Params>...> held(static_cast<Args&&>(args)...);
    const std::lock_guard lock(::mf_emulation::device_mutex());
    if (!::mf_emulation::use_dynamic_shared(reinterpret_cast<const void*>(kernel), config->dynamicSmemBytes)) {
        return cudaErrorInvalidValue;
    }
    return static_cast<cudaError_t>(::mf_emulation::run_grid(
        {config->gridDim.x, config->gridDim.y, config->gridDim.z},
        {config->blockDim.x, config->blockDim.y, config->blockDim.z}, [&] { std::apply(kernel, held); }));
}
