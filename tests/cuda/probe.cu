// Small kernels, right and wrong, on which the emulated device shows what it notices.
#include <cuda_runtime.h>

#include <cstring>

#include "cuda/mma.h"

namespace {

constexpr int kThreads = 64;

__global__ void with_barrier(int* out) {
    __shared__ int values[kThreads];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncthreads();
    out[threadIdx.x] = values[kThreads - 1 - threadIdx.x];
}

__global__ void without_barrier(int* out) {
    __shared__ int values[kThreads];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    out[threadIdx.x] = values[kThreads - 1 - threadIdx.x];
}

__global__ void with_warp_barrier(int* out) {
    __shared__ int values[kThreads];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncwarp();
    out[threadIdx.x] = values[threadIdx.x ^ 1];
}

// A shuffle orders no memory accesses.
__global__ void shuffle_for_barrier(int* out) {
    __shared__ int values[kThreads];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    const int lane = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x), 0);
    out[threadIdx.x] = values[threadIdx.x ^ 1] + lane;
}

__global__ void warp_barrier_across_warps(int* out) {
    __shared__ int values[kThreads];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncwarp();
    out[threadIdx.x] = values[(threadIdx.x + 32) % kThreads];
}

__global__ void missing_second_barrier(int* out) {
    __shared__ int value;
    for (int round = 0; round < 2; ++round) {
        if (threadIdx.x == 0) value = round;
        __syncthreads();
        out[threadIdx.x] = value;
    }
}

__global__ void blocks_write_the_same(int* out) { out[threadIdx.x] = static_cast<int>(blockIdx.x); }

__global__ void atomic_count(int* out) { atomicAdd(out + threadIdx.x % 2, 1); }

__global__ void plain_and_atomic(int* out) {
    if (threadIdx.x == 5) {
        out[0] = 1;
    } else {
        atomicAdd(out, 1);
    }
}

__global__ void past_the_end(int* out) { out[threadIdx.x + 1] = 0; }

__global__ void never_written(int* out) {
    const int value = out[threadIdx.x];
    out[threadIdx.x] = value + 1;
}

__global__ void never_written_shared(int* out) {
    __shared__ int values[kThreads];
    if (threadIdx.x != 7) values[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = values[threadIdx.x];
}

__global__ void divergent_barriers(int* out) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    out[threadIdx.x] = 0;
}

__global__ void exited_threads_do_not_count(int* out) {
    if (threadIdx.x >= 40) return;
    __syncthreads();
    out[threadIdx.x] = static_cast<int>(__ballot_sync(0xffffffffu, true));
}

__global__ void waits_for_ever(int* out) {
    if (threadIdx.x % 32 < 16) {
        out[threadIdx.x] = static_cast<int>(__ballot_sync(0xffffffffu, true));
    } else {
        __syncthreads();
    }
}

__global__ void reads_absent_lane(int* out) {
    if (threadIdx.x % 32 >= 16) return;
    out[threadIdx.x] = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x), 20);
}

__global__ void not_in_own_mask(int* out) { out[threadIdx.x] = static_cast<int>(__ballot_sync(0xfffffffeu, true)); }

__global__ void half_masks(int* out) {
    const unsigned mask = threadIdx.x % 32 < 16 ? 0xffffu : 0xffff0000u;
    const int lane = static_cast<int>(threadIdx.x % 32);
    int sum = lane;
    for (int lanes = 8; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(mask, sum, lanes);
    out[threadIdx.x] = sum;
}

__global__ void shuffles(int* out) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int up = __shfl_up_sync(0xffffffffu, lane, 3), down = __shfl_down_sync(0xffffffffu, lane, 5);
    out[threadIdx.x] = 10000 * up + 100 * down + __shfl_sync(0xffffffffu, lane, 9);
}

// Which lanes are found together is the hardware's choice; that each belongs to its own mask is not.
__global__ void active_masks(int* out) {
    if (threadIdx.x % 2 == 0) {
        out[threadIdx.x] = static_cast<int>(__activemask());
    } else {
        out[threadIdx.x] = 0;
    }
}

__global__ void multiplies_with_half_a_warp(int* out) {
    if (threadIdx.x % 32 >= 16) return;
    const uint32_t a[4] = {};
    float sums[4] = {};
    mtcnn_fast::cuda::multiply_add(a, {0, 0}, sums);
    out[threadIdx.x] = static_cast<int>(sums[0]);
}

// Every lane's fragments, element by element: 8 numbers of the first factor, 4 of the second, 4 sums.
__global__ void multiply(const float* a, const float* b, float* sums) {
    uint32_t words[4];
    for (int i = 0; i < 4; ++i) {
        const float* const pair = a + 8 * threadIdx.x + 2 * i;
        words[i] = mtcnn_fast::cuda::pack_halves(pair[0], pair[1]);
    }
    const float* const own = b + 4 * threadIdx.x;
    const uint2 factor{mtcnn_fast::cuda::pack_halves(own[0], own[1]), mtcnn_fast::cuda::pack_halves(own[2], own[3])};
    float mine[4];
    for (int i = 0; i < 4; ++i) mine[i] = sums[4 * threadIdx.x + i];
    mtcnn_fast::cuda::multiply_add(words, factor, mine);
    for (int i = 0; i < 4; ++i) sums[4 * threadIdx.x + i] = mine[i];
}

struct Probe {
    const char* name;
    void (*kernel)(int*);
    unsigned blocks;
};

constexpr Probe kProbes[] = {
    {"with_barrier", with_barrier, 1},
    {"without_barrier", without_barrier, 1},
    {"with_warp_barrier", with_warp_barrier, 1},
    {"shuffle_for_barrier", shuffle_for_barrier, 1},
    {"warp_barrier_across_warps", warp_barrier_across_warps, 1},
    {"missing_second_barrier", missing_second_barrier, 1},
    {"blocks_write_the_same", blocks_write_the_same, 2},
    {"atomic_count", atomic_count, 2},
    {"plain_and_atomic", plain_and_atomic, 1},
    {"past_the_end", past_the_end, 1},
    {"never_written", never_written, 1},
    {"never_written_shared", never_written_shared, 1},
    {"divergent_barriers", divergent_barriers, 1},
    {"exited_threads_do_not_count", exited_threads_do_not_count, 1},
    {"waits_for_ever", waits_for_ever, 1},
    {"reads_absent_lane", reads_absent_lane, 1},
    {"not_in_own_mask", not_in_own_mask, 1},
    {"half_masks", half_masks, 1},
    {"multiplies_with_half_a_warp", multiplies_with_half_a_warp, 1},
    {"shuffles", shuffles, 1},
    {"active_masks", active_masks, 1},
};

}  // namespace

// Runs a probe on 64 ints of device memory and returns the launch's error, or -1 for an unknown name.
extern "C" __attribute__((visibility("default"))) int probe_run(const char* name, int* out) {
    for (const Probe& probe : kProbes) {
        if (std::strcmp(probe.name, name) != 0) continue;
        cudaLaunchConfig_t config{};
        config.gridDim = dim3(probe.blocks);
        config.blockDim = dim3(kThreads);
        return cudaLaunchKernelEx(&config, probe.kernel, out);
    }
    return -1;
}

// Runs `with_barrier`, which declares 256 bytes of shared memory, with so many dynamic ones, after asking for `granted`
// if that is not negative. Returns the first error.
extern "C" __attribute__((visibility("default"))) int probe_shared(int* out, size_t dynamic, int granted) {
    if (granted >= 0) {
        const auto kernel = reinterpret_cast<const void*>(with_barrier);
        const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, granted);
        if (error != cudaSuccess) return error;
    }
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(1);
    config.blockDim = dim3(kThreads);
    config.dynamicSmemBytes = dynamic;
    return cudaLaunchKernelEx(&config, with_barrier, out);
}

// Multiplies by one warp, on device memory: 32 x 8, 32 x 4 and 32 x 4 numbers.
extern "C" __attribute__((visibility("default"))) int probe_multiply(const float* a, const float* b, float* sums) {
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(1);
    config.blockDim = dim3(32);
    return cudaLaunchKernelEx(&config, multiply, a, b, sums);
}
