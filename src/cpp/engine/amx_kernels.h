// The interface of the kernels that multiply by AMX's tiles: kernels_amx.cpp defines one such table and exports nothing
// else.
#pragma once

#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/pnet_filter.h"

namespace mtcnn_fast::engine {

struct AmxKernels {
    BfloatKernels crops;
    PNetBfloatKernel pnet;
};

}  // namespace mtcnn_fast::engine
