// The memory that one thread works in, kept from call to call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/nms.h"

namespace mtcnn_fast::engine {

class Worker {
  public:
    explicit Worker(const KernelTable& kernels)
        : scratch(std::max({kernels.pnet_scratch, kernels.rnet_scratch, kernels.onet_scratch})),
          crops(std::size_t{kCropBlock} * 48 * 48 * 3 + kLine),
          cells(std::size_t{kTileRows} * kTileColumns) {}

    // Room for one row of sums of an image this wide.
    std::uint32_t* vertical(std::int64_t width) {
        const auto wanted = static_cast<std::size_t>(3 * (width + 16));
        if (vertical_.size() < wanted) vertical_.resize(wanted);
        return vertical_.data();
    }

    // Written by every kernel in turn: finite, and nothing is expected of what the last one left.
    AlignedFloats scratch;
    AlignedFloats crops;
    std::vector<Cell> cells;
    NmsScratch nms;
    std::vector<std::int32_t> keep;

  private:
    static constexpr std::size_t kLine = 16;
    std::vector<std::uint32_t> vertical_;
};

}  // namespace mtcnn_fast::engine
