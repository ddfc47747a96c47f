#include "cuda/select.h"

namespace mtcnn_fast::cuda {
namespace {

constexpr int64_t kMost = 0x7fffffff;  // of an int32_t

__device__ __forceinline__ int64_t warp_inclusive_scan(int64_t value, int lane) {
    long long sum = value;
    for (int delta = 1; delta < kWarp; delta *= 2) {
        const long long other = __shfl_up_sync(kWholeWarp, sum, delta);
        if (lane >= delta) sum += other;
    }
    return sum;
}

// One block walks over all counts, since there are few: one for 1,024 items.
__global__ void __launch_bounds__(kScanThreads)
    scan_chunks_kernel(int32_t* counts, int64_t chunks, SelectOutput output) {
    __shared__ int64_t warp_sums[kScanThreads / kWarp];
    const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
    int64_t carry = output.append ? *output.selected : 0;
    for (int64_t base = 0; base < chunks; base += kScanThreads) {
        const int64_t i = base + threadIdx.x;
        const int32_t count = i < chunks ? counts[i] : 0;
        const int64_t inclusive = warp_inclusive_scan(count, lane);
        if (lane == kWarp - 1) warp_sums[warp] = inclusive;
        __syncthreads();
        if (warp == 0) warp_sums[lane] = warp_inclusive_scan(warp_sums[lane], lane);
        __syncthreads();
        const int64_t before = carry + (warp == 0 ? 0 : warp_sums[warp - 1]) + inclusive - count;
        // Offsets beyond the capacity are never used, and 32 bits may not hold them.
        if (i < chunks) counts[i] = static_cast<int32_t>(before < output.capacity ? before : output.capacity);
        carry += warp_sums[kScanThreads / kWarp - 1];
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    *output.count = static_cast<int32_t>(carry < output.capacity ? carry : output.capacity);
    *output.selected = static_cast<int32_t>(carry < kMost ? carry : kMost);
}

}  // namespace

void scan_chunks(int32_t* counts, int64_t chunks, const SelectOutput& output, cudaStream_t stream) {
    launch({"scan_chunks", std::to_string(chunks) + " chunks", dim3(1), kScanThreads, stream}, scan_chunks_kernel,
           counts, chunks, output);
}

}  // namespace mtcnn_fast::cuda
