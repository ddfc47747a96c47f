// The work of one launch of the fused P-Net, planned on the host: the levels, and which blocks compute which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/images.h"
#include "cuda/proposals.h"

namespace mtcnn_fast::cuda {

// One level of one image, as it is asked for.
struct PNetLevelShape {
    int32_t image;
    int32_t height;
    int32_t width;
    int32_t segment;
    float scale;  // of the pyramid, rounded from float64
};

// The same as the kernel reads it.
struct PNetLevel {
    int32_t image;
    int32_t height;
    int32_t width;
    int32_t rows;  // of cells
    int32_t columns;
    int32_t by_warp;       // bins are large: a warp shares one
    uint32_t first_block;  // blocks go tile by tile through the levels
    int32_t tiles_across;
    int64_t first_cell;  // of the level in the output
};

// Cells of a block's tile. The wide one computes less twice and needs more shared memory.
struct PNetTileSize {
    int width;
    int height;
    size_t shared_memory;  // bytes
};

// The largest tile whose blocks fit the shared memory of a block on the device. Throws std::invalid_argument if none
// does. Defined in pnet.cu.
PNetTileSize pnet_tile(size_t shared_memory);

// Cells along a side of the parts of a tile that the filter takes or drops.
inline constexpr int kPNetPart = 8;

class PNetPlan {
  public:
    // Throws std::invalid_argument.
    PNetPlan(const std::vector<DeviceImage>& images, const std::vector<PNetLevelShape>& levels, size_t shared_memory);

    // The tables, which the caller copies to the device: images, then levels.
    const std::vector<std::byte>& bytes() const { return bytes_; }
    // The same for other images of the same sizes. Throws std::invalid_argument.
    std::vector<std::byte> bytes_for(const std::vector<DeviceImage>& images) const;
    size_t levels_at() const { return levels_at_; }
    int images() const { return images_; }
    int levels() const { return levels_; }
    uint32_t blocks() const { return blocks_; }
    // Of all tiles, tile by tile, row by row.
    uint32_t parts() const {
        return blocks_ * static_cast<uint32_t>(tile_.width / kPNetPart * (tile_.height / kPNetPart));
    }
    // Of all levels: the lengths of the outputs.
    int64_t cells() const { return cells_; }
    PNetTileSize tile() const { return tile_; }
    // For `proposals`, which reads all levels as parts of one map.
    const std::vector<ProposalLevel>& proposal_levels() const { return proposal_levels_; }
    int64_t chunks() const { return chunks_; }

  private:
    std::vector<std::byte> bytes_;
    std::vector<ProposalLevel> proposal_levels_;
    PNetTileSize tile_;
    size_t levels_at_ = 0;
    int images_ = 0;
    int levels_ = 0;
    uint32_t blocks_ = 0;
    int64_t cells_ = 0;
    int64_t chunks_ = 0;
};

}  // namespace mtcnn_fast::cuda
