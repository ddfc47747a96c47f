#include "cuda/proposals.h"

#include "cuda/select_kernels.h"

namespace mtcnn_fast::cuda {
namespace {

struct ProposalSelector {
    ProposalMaps maps;
    const ProposalLevel* levels;
    int level_count;
    float threshold;
    Box* boxes;
    float* scores;
    Box* offsets;
    int32_t* segments;
    int32_t* images;

    // The last level that begins at or before the item's chunk.
    __device__ __forceinline__ const ProposalLevel& level_of(int64_t item) const {
        const int32_t chunk = static_cast<int32_t>(item / kSelectChunk);
        int low = 0, high = level_count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            if (levels[middle].first_chunk <= chunk) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return levels[low];
    }

    __device__ bool take(int64_t item) const {
        const ProposalLevel& level = level_of(item);
        const int64_t cell = item - int64_t{level.first_chunk} * kSelectChunk;
        const int64_t cells = int64_t{level.rows} * level.columns;
        return cell < cells && maps.scores[level.map][level.scores_at + cell] >= threshold;
    }

    __device__ void put(int64_t item, int64_t slot) const {
        const ProposalLevel& level = level_of(item);
        const int64_t cell = item - int64_t{level.first_chunk} * kSelectChunk;
        const int64_t cells = int64_t{level.rows} * level.columns;
        const float* offset = maps.offsets[level.map] + level.offsets_at + cell;
        boxes[slot] = cell_box(cell / level.columns, cell % level.columns, level.scale);
        scores[slot] = maps.scores[level.map][level.scores_at + cell];
        offsets[slot] = {offset[0], offset[cells], offset[2 * cells], offset[3 * cells]};
        segments[slot] = level.segment;
        images[slot] = level.image;
    }
};

}  // namespace

size_t proposals_workspace_size(int64_t chunks) {
    return static_cast<size_t>(chunks < 1 ? 1 : chunks) * sizeof(int32_t);
}

void proposals(const ProposalArguments& a, void* workspace, size_t workspace_size, cudaStream_t stream) {
    require(a.map_count >= 0 && a.map_count <= kMaxMaps,
            "maps: at most " + std::to_string(kMaxMaps) + " are accepted, got " + std::to_string(a.map_count));
    require(a.chunks >= 0 && a.chunks < (int64_t{1} << 31), "chunks must fit a grid, got " + std::to_string(a.chunks));
    require(a.output.capacity >= 0, "the outputs must not have a negative length");
    require(a.output.count != nullptr && a.output.selected != nullptr,
            "count and selected must be device memory, got a null pointer");
    require(a.level_count == 0 || a.levels != nullptr, "levels must be device memory, got a null pointer");
    require(a.output.capacity == 0 || (a.boxes != nullptr && a.scores != nullptr && a.offsets != nullptr &&
                                       a.segments != nullptr && a.images != nullptr),
            "boxes, scores, offsets, segments and images must be device memory, got a null pointer");
    const size_t needed = proposals_workspace_size(a.chunks);
    require(workspace != nullptr && workspace_size >= needed,
            "workspace must have at least " + std::to_string(needed) + " bytes, got " + std::to_string(workspace_size));
    const std::string shapes = std::to_string(a.level_count) + " levels, capacity " + std::to_string(a.output.capacity);
    const ProposalSelector selector{a.maps,   a.levels,  a.level_count, a.threshold, a.boxes,
                                    a.scores, a.offsets, a.segments,    a.images};
    select("proposals", shapes, selector, a.level_count == 0 ? 0 : a.chunks * kSelectChunk,
           static_cast<int32_t*>(workspace), a.output, stream);
}

}  // namespace mtcnn_fast::cuda
