#pragma once

#include "cuda/pnet_plan.h"

namespace mtcnn_fast::cuda {

struct PNetArguments {
    const void* tables;    // plan.bytes() in device memory
    const float* weights;  // pack_pnet_weights() in device memory, aligned to 16 bytes
    float* scores;         // (plan.cells()) probability of each cell, level by level, row by row
    float* offsets;        // (4 * plan.cells()) for each level (4, rows, columns) box offsets
};

// P-Net on every level of every image of `plan`, in one launch, straight from the 8-bit images: the exact area
// resampling, the three convolutions and the heads. A cell's sums have one order, so its result depends neither on the
// batch nor on the tile.
void pnet(const PNetPlan& plan, const PNetArguments& arguments, cudaStream_t stream);

// The same for the parts of tiles whose `wanted` is not 0; the other cells stay as they are.
void pnet_parts(const PNetPlan& plan, const PNetArguments& arguments, const uint8_t* wanted, cudaStream_t stream);

// Throws std::invalid_argument.
void check_pnet(const PNetArguments& arguments);

}  // namespace mtcnn_fast::cuda
