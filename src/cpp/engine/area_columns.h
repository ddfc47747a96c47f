// The bins of the columns of a window that is resampled, as the kernels read them: computed once for all of its rows.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/crop_window.h"
#include "common/resample.h"
#include "cpp/engine/kernel_table.h"

namespace mtcnn_fast::engine {

class AreaColumns {
  public:
    // `size` columns from the pixels of a span, of which at least one lies inside the image. Memory is kept from call
    // to call.
    void assign(const Span& span, std::int32_t size) {
        const auto padded = (static_cast<std::size_t>(size) + 7) / 8 * 8;
        begin_.resize(padded);
        more_.resize(padded + 1);
        more_of_.assign(padded / 8, 0);
        more_[padded] = 0;
        const auto count = static_cast<std::int32_t>((span.size() + size - 1) / size);
        const std::int64_t inside_begin = span.inside_begin - span.begin, inside_end = span.inside_end - span.begin;
        std::int32_t before = 0, inside = 0;
        BinWalk walk(span.size(), size);
        Bin bin{0, 0};
        for (std::size_t x = 0; x < padded; ++x) {
            if (std::cmp_less(x, size)) {
                bin = walk.next();
                before += bin.begin < inside_begin;
                inside += bin.begin >= inside_begin && bin.end <= inside_end;
            }
            const bool more = bin.size() > count;
            begin_[x] = static_cast<std::int32_t>(3 * bin.begin);
            more_[x] = more ? ~std::uint64_t{0} : 0;
            more_of_[x / 8] = static_cast<std::uint8_t>(more_of_[x / 8] | static_cast<unsigned>(more) << x % 8);
        }
        bins_ = {begin_.data(), more_.data(), more_of_.data(), count, size, before, before + inside};
    }

    // Valid until the next `assign`.
    const ColumnBins& bins() const { return bins_; }

  private:
    ColumnBins bins_{};
    std::vector<std::int32_t> begin_;
    std::vector<std::uint64_t> more_;
    std::vector<std::uint8_t> more_of_;
};

// Elements of 32 bits that the kernels need for a row of sums over `width` pixels.
inline std::size_t row_of_sums(std::int64_t width) { return static_cast<std::size_t>(3 * (width + 16)); }

}  // namespace mtcnn_fast::engine
