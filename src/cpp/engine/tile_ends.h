// The ends of a register tile whose lanes are output channels: bias and PReLU.
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

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
