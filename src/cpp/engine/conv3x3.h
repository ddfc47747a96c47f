// A row of a 3x3 convolution computed directly, and the ends of a register tile: bias and PReLU. Output channels are in
// lanes.
#pragma once

#include "cpp/engine/layers.h"
#include "cpp/engine/microkernel.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// acc + bias, PReLU, to `out`.
template <int P, int NV>
MF_INLINE void activate(const V (&acc)[P][NV], const Layer& layer, int c, int ldo, float* out) {
    MF_UNROLL(12)
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < NV; ++v) {
            const V slope = load(layer.slope + c + v * kLanes);
            store(out + p * ldo + c + v * kLanes, prelu(acc[p][v], slope));
        }
}

template <int P, int NV>
MF_INLINE void start(const Layer& layer, int c, V (&acc)[P][NV]) {
    MF_UNROLL(12)
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < NV; ++v) acc[p][v] = load(layer.bias + c + v * kLanes);
}

// One row of kColumns outputs of a 3x3 convolution; `in` is the first of three rows of `width` pixels of `stride`
// floats, of which CI are used.
template <int CI, int CO, int kColumns>
MF_INLINE void conv3x3_row(const float* in, int width, int stride, const Layer& layer, float* out) {
    for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
        for_even_tiles<kColumns>([&]<int P>(int x) __attribute__((always_inline)) {
            V acc[P][NV];
            start(layer, c, acc);
            if (stride == CI) {  // a kernel row is contiguous
                MF_UNROLL(1)
                for (int y = 0; y < 3; ++y) {
                    multiply<P, NV>(in + (y * width + x) * stride, stride, opaque(3 * CI),
                                    layer.direct + y * 3 * CI * CO + c, CO, acc);
                }
            } else {
                MF_UNROLL(1)
                for (int k = 0; k < 9; ++k) {
                    multiply<P, NV>(in + ((k / 3) * width + x + k % 3) * stride, stride, CI,
                                    layer.direct + k * CI * CO + c, CO, acc);
                }
            }
            activate(acc, layer, c, CO, out + x * CO);
        });
    });
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
