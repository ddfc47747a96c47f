// What the fused networks compute with: PReLU, sums of a convolution in registers, softmax. For kernels only.
#pragma once

#include <cuda_runtime.h>

#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

__device__ __forceinline__ float prelu(float x, float slope) { return x > 0.0f ? x : slope * x; }

template <int count>
__device__ __forceinline__ void load(const float* from, float (&to)[count]) {
    static_assert(count % 4 == 0);
    MF_UNROLL
    for (int i = 0; i < count / 4; ++i) {
        const float4 four = reinterpret_cast<const float4*>(from)[i];
        to[4 * i] = four.x;
        to[4 * i + 1] = four.y;
        to[4 * i + 2] = four.z;
        to[4 * i + 3] = four.w;
    }
}

// Whether a thread reads the weights of a step while it computes the one before: for those that the L1 cache may not
// hold. It takes registers.
enum class Weights { kInTime, kAhead };

// A row of a kernel: the weights of each of its columns for some output channels.
template <int kernel, int outputs>
__device__ __forceinline__ void load_weights(const float* from, int all_outputs, float (&to)[kernel][outputs]) {
    MF_UNROLL
    for (int k = 0; k < kernel; ++k) load(from + k * all_outputs, to[k]);
}

template <int kernel, int outputs, int places>
__device__ __forceinline__ void add_products(const float (&taps)[places + kernel - 1],
                                             const float (&weights)[kernel][outputs], float (&sums)[outputs][places]) {
    MF_UNROLL
    for (int k = 0; k < kernel; ++k) {
        MF_UNROLL
        for (int o = 0; o < outputs; ++o) {
            MF_UNROLL
            for (int x = 0; x < places; ++x) sums[o][x] = __fmaf_rn(taps[x + k], weights[k][o], sums[o][x]);
        }
    }
}

// Sums of a convolution at adjacent places of a row for some output channels: bias first, then input channels, rows and
// columns, each term by one fused multiplication and addition. `taps_at(c, y, taps)` reads the inputs of a channel and
// a row of the kernel. `weights` begins with the first of these outputs, of which a tap has `all_outputs`; as many
// numbers must follow the last row's as a row has.
template <int kernel, Weights when, int outputs, int places, typename Taps>
__device__ __forceinline__ void convolve(int inputs, const Taps& taps_at, const float* weights, int all_outputs,
                                         const float* bias, float (&sums)[outputs][places]) {
    float start[outputs], next[kernel][outputs];
    load(bias, start);
    MF_UNROLL
    for (int o = 0; o < outputs; ++o) {
        for (int x = 0; x < places; ++x) sums[o][x] = start[o];
    }
    if constexpr (when == Weights::kAhead) load_weights(weights, all_outputs, next);
    MF_NO_UNROLL
    for (int c = 0; c < inputs; ++c) {
        // Resolved, this loop would have so many loads in flight that registers spill.
        MF_NO_UNROLL
        for (int y = 0; y < kernel; ++y) {
            float taps[places + kernel - 1], now[kernel][outputs];
            taps_at(c, y, taps);
            if constexpr (when == Weights::kAhead) {
                MF_UNROLL
                for (int i = 0; i < kernel * outputs; ++i)
                    now[i / outputs][i % outputs] = next[i / outputs][i % outputs];
                weights += kernel * all_outputs;
                load_weights(weights, all_outputs, next);
            } else {
                load_weights(weights, all_outputs, now);
                weights += kernel * all_outputs;
            }
            add_products(taps, now, sums);
        }
    }
}

// The second of two softmax values.
__device__ __forceinline__ float probability(float no_face, float face) {
    const float most = no_face > face ? no_face : face;
    const float other = expf(no_face - most), mine = expf(face - most);
    return mine / (other + mine);
}

}  // namespace mtcnn_fast::cuda
