// The memory that one thread works in, kept from call to call. Two of them share no cache line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/nms.h"

namespace mtcnn_fast::engine {

class alignas(64) Worker {
  public:
    // `floats` of memory for the kernels; `byte_scratch`: bytes of memory for the filters' kernels, 0 where there are
    // none. `crop_blocks`: blocks of O-Net's crops; 2 with a filter before it, as those that pass wait.
    Worker(std::size_t floats, std::size_t byte_scratch, std::size_t crop_blocks, const RoughPNet& rough)
        : scratch(floats),
          crops(crop_blocks * kBlockFloats + kLine),
          bytes(byte_scratch),
          rough_rows(rough.kernel != nullptr ? kRoughRing * kScaledFloats : 0),
          rough_bytes(rough.kernel != nullptr ? rough.kernel->scratch : 0),
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
    // For the filter before P-Net: rows of a level, and its kernel's memory.
    AlignedFloats rough_rows;
    AlignedBytes rough_bytes;
    std::vector<Cell> cells;
    AreaColumns columns;  // of the crop at hand
    NmsScratch nms;
    std::vector<std::int32_t> keep;

  private:
    static constexpr std::size_t kBlockFloats = std::size_t{kCropBlock} * 3 * kONetStage.size * kONetStage.size;
    // Two blocks of R-Net's crops fit.
    static_assert(2 * kRNetStage.size * kRNetStage.size <= kONetStage.size * kONetStage.size);
    static constexpr std::size_t kLine = 16;
    std::vector<std::uint32_t> sums_;
    std::vector<std::uint16_t> coarse_sums_;
};

}  // namespace mtcnn_fast::engine
