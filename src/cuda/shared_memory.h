// Shared memory whose size is chosen with the launch. For nvcc only.
#pragma once

#include <cuda_runtime.h>

namespace mtcnn_fast::cuda {

#ifdef __CUDACC__
__device__ __forceinline__ float* dynamic_shared_floats() {
    extern __shared__ float4 mf_dynamic_shared[];
    return reinterpret_cast<float*>(mf_dynamic_shared);
}
#else
// The emulated device has one block at a time.
inline float* dynamic_shared_floats() { return static_cast<float*>(mf_emulation::dynamic_shared()); }
#endif

}  // namespace mtcnn_fast::cuda
