#pragma once

#include "common/boxes.h"
#include "cuda/select.h"

namespace mtcnn_fast::cuda {

// Distinct outputs of P-Net that one launch reads: their pointers travel with the launch, so that nothing has to be
// uploaded once P-Net has run.
inline constexpr int kMaxMaps = 128;

// P-Net's outputs, contiguous float32: each holds levels of any sizes.
struct ProposalMaps {
    const float* scores[kMaxMaps];
    const float* offsets[kMaxMaps];
};

// One level of one image. Levels are ordered by image, then scale: the order of ties in NMS.
struct ProposalLevel {
    int32_t map;
    int32_t rows;
    int32_t columns;
    int32_t image;
    int32_t segment;
    float scale;          // of the pyramid, rounded from float64
    int32_t first_chunk;  // of select_chunks(rows * columns); a level begins a chunk of its own
    int64_t scores_at;    // of the level's (rows, columns) probabilities in its map
    int64_t offsets_at;   // of its (4, rows, columns) box offsets
};

struct ProposalArguments {
    ProposalMaps maps;
    int map_count;
    const ProposalLevel* levels;  // table in device memory
    int level_count;
    int64_t chunks;  // of all levels
    float threshold;
    // Outputs, (capacity) each.
    Box* boxes;
    float* scores;
    Box* offsets;
    int32_t* segments;
    int32_t* images;
    SelectOutput output;
};

size_t proposals_workspace_size(int64_t chunks);

// Cells with score >= threshold, in the order (level, row, column), as boxes in pixels of the unscaled image. If more
// than `capacity` pass, the first ones are kept. More maps than a launch takes are done by several launches, of which
// all but the first append.
void proposals(const ProposalArguments& arguments, void* workspace, size_t workspace_size, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
