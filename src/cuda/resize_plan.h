// The work of one pyramid launch, planned on the host: which block computes which part of which level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/images.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

struct ResizeLevel {
    int32_t image;
    int32_t height;
    int32_t width;
    int32_t by_warp;  // bins are large: a warp shares one
    int64_t offset;   // of the level's first element in the output
};

// Consecutive blocks that work on consecutive tiles of one level.
struct ResizeRun {
    uint32_t first_block;
    uint32_t first_tile;
    int32_t level;
};

// Outputs of a block: a tile of 32 x 8 where every thread has its own, 8 in a row where a warp shares one.
inline constexpr int kResizeThreads = 256;
inline constexpr int kTileWidth = 32;
inline constexpr int kTileHeight = kResizeThreads / kTileWidth;
inline constexpr int kWarpTile = kResizeThreads / kWarp;

struct LevelShape {
    int32_t image;
    int32_t height;
    int32_t width;
};

// The tables as one array of bytes, which the caller copies to the device, with whatever else it uploads.
class ResizePlan {
  public:
    // Levels are packed in the given order, each as (3, height, width). Throws std::invalid_argument.
    ResizePlan(std::vector<DeviceImage> images, const std::vector<LevelShape>& levels);

    const std::vector<std::byte>& bytes() const { return bytes_; }
    const std::vector<int64_t>& offsets() const { return offsets_; }
    int64_t elements() const { return elements_; }
    uint32_t blocks() const { return blocks_; }
    int images() const { return images_; }
    int levels() const { return static_cast<int>(offsets_.size()); }

    // Where the tables begin in bytes().
    size_t images_at() const { return 0; }
    size_t levels_at() const { return levels_at_; }
    size_t runs_at() const { return runs_at_; }
    int runs() const { return runs_; }

  private:
    std::vector<std::byte> bytes_;
    std::vector<int64_t> offsets_;
    int64_t elements_ = 0;
    uint32_t blocks_ = 0;
    int images_ = 0;
    int runs_ = 0;
    size_t levels_at_ = 0;
    size_t runs_at_ = 0;
};

}  // namespace mtcnn_fast::cuda
