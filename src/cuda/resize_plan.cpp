#include "cuda/resize_plan.h"

#include <algorithm>
#include <limits>
#include <string>

#include "cuda/tables.h"

namespace mtcnn_fast::cuda {
namespace {

// A stripe of an image that every level reads before the next stripe begins, so that the L2 cache serves all levels but
// the first. The smallest L2 from Turing on has 1.5 MiB to itself and more than this is in flight.
constexpr int64_t kStripeBytes = int64_t{1} << 20;

struct Tiling {
    int64_t across;
    int64_t count;
};

Tiling tiling(const ResizeLevel& level) {
    if (level.by_warp) return {1, divide_up<int64_t>(int64_t{level.height} * level.width, kWarpTile)};
    const int64_t across = divide_up<int64_t>(level.width, kTileWidth);
    return {across, across * divide_up<int64_t>(level.height, kTileHeight)};
}

// First tile that starts at or below input row `row`.
int64_t first_tile_from(const ResizeLevel& level, const Tiling& tiles, int64_t image_height, int64_t row) {
    // Output row r starts at input row floor(r * H / h), which is >= row exactly if r >= row * h / H.
    const int64_t output_row = divide_up<int64_t>(row * level.height, image_height);
    const int64_t tile = level.by_warp ? divide_up<int64_t>(output_row * level.width, kWarpTile)
                                       : divide_up<int64_t>(output_row, kTileHeight) * tiles.across;
    return std::min(tile, tiles.count);
}

std::vector<ResizeRun> plan_runs(const std::vector<DeviceImage>& images, const std::vector<ResizeLevel>& levels,
                                 uint64_t& blocks) {
    std::vector<std::vector<int32_t>> by_image(images.size());
    for (size_t i = 0; i < levels.size(); ++i) by_image[levels[i].image].push_back(static_cast<int32_t>(i));
    std::vector<ResizeRun> runs;
    for (size_t i = 0; i < images.size(); ++i) {
        const int64_t height = images[i].height;
        const int64_t stripe = std::max<int64_t>(1, kStripeBytes / (3 * int64_t{images[i].width}));
        std::vector<int64_t> done(by_image[i].size(), 0);
        for (int64_t row = 0; row < height; row += stripe) {
            for (size_t k = 0; k < by_image[i].size(); ++k) {
                const ResizeLevel& level = levels[by_image[i][k]];
                const Tiling tiles = tiling(level);
                const int64_t end =
                    row + stripe >= height ? tiles.count : first_tile_from(level, tiles, height, row + stripe);
                if (end <= done[k]) continue;
                runs.push_back({static_cast<uint32_t>(blocks), static_cast<uint32_t>(done[k]), by_image[i][k]});
                blocks += static_cast<uint64_t>(end - done[k]);
                done[k] = end;
            }
        }
    }
    return runs;
}

}  // namespace

ResizePlan::ResizePlan(std::vector<DeviceImage> images, const std::vector<LevelShape>& shapes) {
    check_images(images);
    std::vector<ResizeLevel> levels;
    for (size_t i = 0; i < shapes.size(); ++i) {
        const LevelShape& shape = shapes[i];
        check_level(i, shape.image, shape.height, shape.width, images.size(), 1);
        levels.push_back({shape.image, shape.height, shape.width,
                          shares_bins(images[shape.image], shape.height, shape.width), elements_});
        offsets_.push_back(elements_);
        elements_ += 3 * int64_t{shape.height} * shape.width;
    }
    uint64_t blocks = 0;
    const std::vector<ResizeRun> runs = plan_runs(images, levels, blocks);
    require(blocks <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max()),
            "levels need " + std::to_string(blocks) + " blocks, more than a grid of 2**31 - 1");
    append_table(bytes_, images);
    levels_at_ = append_table(bytes_, levels);
    runs_at_ = append_table(bytes_, runs);
    images_ = static_cast<int>(images.size());
    runs_ = static_cast<int>(runs.size());
    blocks_ = static_cast<uint32_t>(blocks);
}

}  // namespace mtcnn_fast::cuda
