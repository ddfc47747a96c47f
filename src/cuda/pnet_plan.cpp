#include "cuda/pnet_plan.h"

#include <limits>

#include "cuda/tables.h"

namespace mtcnn_fast::cuda {
namespace {

// P-Net's receptive field: smaller levels have no cell.
constexpr int kLeastSide = 12;

// Of a tile.
constexpr int kMostParts = 8;

// Cells along an axis: three 3 x 3 convolutions without padding, and a pooling that rounds up after the first.
int32_t cells_along(int32_t length) { return (length - 1) / 2 - 4; }

}  // namespace

PNetPlan::PNetPlan(const std::vector<DeviceImage>& images, const std::vector<PNetLevelShape>& shapes,
                   size_t shared_memory)
    : tile_(pnet_tile(shared_memory)),
      images_(static_cast<int>(images.size())),
      levels_(static_cast<int>(shapes.size())) {
    check_images(images);
    std::vector<PNetLevel> levels;
    int64_t blocks = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
        const PNetLevelShape& shape = shapes[i];
        check_level(i, shape.image, shape.height, shape.width, images.size(), kLeastSide);
        const int32_t rows = cells_along(shape.height), columns = cells_along(shape.width);
        const int64_t across = divide_up(columns, tile_.width), down = divide_up(rows, tile_.height);
        levels.push_back({shape.image, shape.height, shape.width, rows, columns,
                          shares_bins(images[shape.image], shape.height, shape.width), static_cast<uint32_t>(blocks),
                          static_cast<int32_t>(across), cells_});
        proposal_levels_.push_back({0, rows, columns, shape.image, shape.segment, shape.scale,
                                    static_cast<int32_t>(chunks_), cells_, 4 * cells_});
        blocks += across * down;
        cells_ += int64_t{rows} * columns;
        chunks_ += select_chunks(int64_t{rows} * columns);
        require(blocks <= std::numeric_limits<int32_t>::max() / kMostParts &&
                    chunks_ <= std::numeric_limits<int32_t>::max(),
                "levels have too many cells for one launch");
    }
    blocks_ = static_cast<uint32_t>(blocks);
    append_table(bytes_, images);
    levels_at_ = append_table(bytes_, levels);
}

std::vector<std::byte> PNetPlan::bytes_for(const std::vector<DeviceImage>& images) const {
    check_images(images);
    require(static_cast<int>(images.size()) == images_,
            "images must be " + std::to_string(images_) + " as planned, got " + std::to_string(images.size()));
    const auto* const planned = reinterpret_cast<const DeviceImage*>(bytes_.data());
    for (size_t i = 0; i < images.size(); ++i) {
        require(images[i].height == planned[i].height && images[i].width == planned[i].width,
                "images[" + std::to_string(i) + "] must have " + std::to_string(planned[i].height) + " x " +
                    std::to_string(planned[i].width) + " pixels as planned, got " + std::to_string(images[i].height) +
                    " x " + std::to_string(images[i].width));
    }
    std::vector<std::byte> bytes = bytes_;
    if (!images.empty()) std::memcpy(bytes.data(), images.data(), images.size() * sizeof(DeviceImage));
    return bytes;
}

}  // namespace mtcnn_fast::cuda
