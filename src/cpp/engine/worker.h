// The memory that one thread works in, kept from call to call. Two of them share no cache line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/nms.h"

namespace mtcnn_fast::engine {

class alignas(64) Worker {
  public:
    // `floats` of memory for the kernels; `byte_scratch`: bytes of memory for the filter's kernel, 0 where there is
    // none.
    Worker(std::size_t floats, std::size_t byte_scratch)
        : scratch(floats),
          crops(crop_floats(kRNetStage, kONetStage) + kLine),
          bytes(byte_scratch),
          cells(std::size_t{kTileRows} * kTileColumns) {}

    // Memory for a row of sums over `width` pixels.
    std::uint32_t* sums(std::int64_t width) {
        if (sums_.size() < row_of_sums(width)) sums_.resize(row_of_sums(width));
        return sums_.data();
    }

    // Memory for resample_levels on images of this width.
    std::uint16_t* coarse_sums(std::int64_t width) {
        if (coarse_sums_.size() < coarse_memory(width)) coarse_sums_.resize(coarse_memory(width));
        return coarse_sums_.data();
    }

    // Every kernel writes it before it reads it; its content is always finite.
    AlignedFloats scratch;
    AlignedFloats crops;
    AlignedBytes bytes;
    std::vector<Cell> cells;
    AreaColumns columns;  // of the crop at hand
    NmsScratch nms;
    std::vector<std::int32_t> keep;

  private:
    // A block of crops of the largest of these stages.
    template <class... Stages>
    static constexpr std::size_t crop_floats(const Stages&... stages) {
        const auto size = static_cast<std::size_t>(std::max({stages.size...}));
        return kCropBlock * size * size * 3;
    }

    static constexpr std::size_t kLine = 16;
    std::vector<std::uint32_t> sums_;
    std::vector<std::uint16_t> coarse_sums_;
};

}  // namespace mtcnn_fast::engine
