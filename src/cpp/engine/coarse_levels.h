// Coarse levels of a large image are resampled before P-Net's tiles run, all from one reading of the image. The tiles
// of each level would read the whole image once more, from memory if it is larger than the caches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/resample.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/pyramid_level.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

// Images up to this size stay in the L2 cache, or nearly.
inline constexpr std::int64_t kLargeImage = std::int64_t{1} << 20;
// A level is coarse if it has at most a pixel for this many of the image's. Finer ones gain less than it costs to store
// and load them.
inline constexpr std::int64_t kCoarse = 32;
// The coarse levels of a batch together take no more memory than this.
inline constexpr std::size_t kCoarseBytes = std::size_t{32} << 20;
// Rows of the image in a task, at least.
inline constexpr std::int64_t kBandRows = 128;

class CoarseLevels {
  public:
    // Memory for the coarse ones among an image's levels, which are in descending order; takes it from `budget`. The
    // image is cut into at most `bands` parts, which many threads can take.
    void assign(const ImageView& image, std::vector<PyramidLevel>& levels, std::int64_t bands, std::size_t& budget) {
        const std::int64_t pixels = image.width * image.height;
        if (3 * pixels <= kLargeImage) return;
        std::size_t floats = 0;
        for (first_ = levels.size(); first_ > 0; --first_) {
            const PyramidLevel& level = levels[first_ - 1];
            if (kCoarse * level.width * level.height > pixels || image.height < 2 * level.height) break;
            if (sizeof(float) * (floats + size(level)) > budget) break;
            floats += size(level);
        }
        if (floats == 0) return;
        budget -= sizeof(float) * floats;
        memory_ = std::make_unique_for_overwrite<float[]>(floats);
        float* at = memory_.get();
        for (std::size_t i = first_; i < levels.size(); ++i) {
            if (has_tall_bins(image, levels[i])) continue;
            levels[i].planes = {at, plane(levels[i])};
            at += size(levels[i]);
        }
        groups_ = (levels.size() - first_ + kCoarseTogether - 1) / kCoarseTogether;
        bands_ = std::clamp<std::int64_t>(image.height / kBandRows, 1, bands);
    }

    // Tasks: a band of the image for a group of levels each.
    std::int32_t tasks() const { return static_cast<std::int32_t>(static_cast<std::int64_t>(groups_) * bands_); }

    // What a task resamples: of each level the rows whose bins begin in the band. Returns the number of levels.
    int of_task(const ImageView& image, const std::vector<PyramidLevel>& levels, std::int32_t task,
                CoarseLevel (&out)[kCoarseTogether]) const {
        const std::int64_t band = task % bands_;
        const std::size_t begin = first_ + static_cast<std::size_t>(task / bands_) * kCoarseTogether;
        const std::size_t end = std::min(begin + kCoarseTogether, levels.size());
        int n = 0;
        for (std::size_t i = begin; i < end; ++i) {
            const PyramidLevel& level = levels[i];
            if (level.planes.data == nullptr) continue;
            // Row r begins at floor(r * image.height / level.height).
            const auto first_row = [&](std::int64_t k) {
                return (k * image.height / bands_ * level.height + image.height - 1) / image.height;
            };
            out[n++] = {level.resampling(image), level.planes, first_row(band), first_row(band + 1)};
        }
        return n;
    }

  private:
    static bool has_tall_bins(const ImageView& image, const PyramidLevel& level) {
        return (image.height + level.height - 1) / level.height + 1 > kMax16;
    }
    static std::ptrdiff_t plane(const PyramidLevel& level) { return (level.width + 7) / 8 * 4; }
    static std::size_t size(const PyramidLevel& level) {
        return 6 * static_cast<std::size_t>(plane(level)) * static_cast<std::size_t>(level.height);
    }

    std::unique_ptr<float[]> memory_;
    std::size_t first_ = 0;
    std::size_t groups_ = 0;
    std::int64_t bands_ = 1;
};

}  // namespace mtcnn_fast::engine
