// Rows of the coarse levels of an image, which is read once for all of them: each column has one running sum from row
// to row, and the sum over a bin's rows is what it has grown by. 16 bits are enough: they wrap around, and a difference
// of up to kMax16 bytes is exact all the same.
#pragma once

#include <cstring>

#include "common/resample.h"
#include "cpp/engine/area.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// A row of a level in planes, the even and the odd columns of each channel apart.
struct SplitRow {
    float* data;
    std::ptrdiff_t plane;

    template <class Block>
    MF_INLINE void put_block(int x, const Block& block) const {
        MF_UNROLL(2)
        for (int odd = 0; odd < 2; ++odd) {
            float* const at = data + odd * plane + (x >> 1);
            block.template store_planes<2>(odd, at, at + 2 * plane, at + 4 * plane);
        }
    }
};

class CoarseRows {
  public:
    MF_INLINE CoarseRows(const CoarseLevel* levels, int count, std::uint16_t* memory)
        : image_(levels->level.image),
          levels_(levels),
          count_(count),
          elements_(3 * static_cast<std::ptrdiff_t>(image_.width)),
          row_(sums_pitch(image_.width)),
          memory_(memory) {}

    MF_INLINE void run() {
        std::memset(running(), 0, static_cast<std::size_t>(row_) * sizeof *memory_);
        for (int i = 0; i < count_; ++i) {
            const std::int64_t first = levels_[i].row_begin;
            progress_[i] = {first, first, bin(i, first), bin(i, first)};
        }
        std::int64_t y = next_event();
        while (y <= image_.height) {
            for (int i = 0; i < count_; ++i) at_row(i, y);
            const std::int64_t next = next_event();
            if (next <= image_.height) add_rows(y, next);
            y = next;
        }
    }

  private:
    // Of a level: the next rows to begin and to end, and their bins. At most two rows have begun and not ended, as bins
    // of at least two rows overlap by one at most.
    struct Progress {
        std::int64_t begins;
        std::int64_t ends;
        Bin begin;
        Bin end;
    };

    Bin bin(int i, std::int64_t row) const { return area_bin(row, image_.height, levels_[i].level.height); }
    std::uint16_t* running() const { return memory_; }
    std::uint16_t* difference() const { return memory_ + row_; }
    // The running sums when a row of level i began.
    std::uint16_t* begun(int i, std::int64_t row) const { return memory_ + (2 + 2 * i + (row & 1)) * row_; }

    // The next of the image's rows before which a bin begins or ends; beyond the image if there is none.
    MF_INLINE std::int64_t next_event() const {
        std::int64_t next = image_.height + 1;
        for (int i = 0; i < count_; ++i) {
            const Progress& at = progress_[i];
            if (at.begins < levels_[i].row_end && at.begin.begin < next) next = at.begin.begin;
            if (at.ends < at.begins && at.end.end < next) next = at.end.end;
        }
        return next;
    }

    MF_INLINE void at_row(int i, std::int64_t y) {
        Progress& at = progress_[i];
        if (at.ends < at.begins && at.end.end == y) {
            finish(i, at.ends, at.end.size());
            at.end = bin(i, ++at.ends);
        }
        if (at.begins < levels_[i].row_end && at.begin.begin == y) {
            std::memcpy(begun(i, at.begins), running(), static_cast<std::size_t>(row_) * sizeof *memory_);
            at.begin = bin(i, ++at.begins);
        }
    }

    // Resamples a row whose bin of `rows` rows has ended.
    MF_INLINE void finish(int i, std::int64_t row, std::int64_t rows) const {
        const std::uint16_t* const end = running();
        const std::uint16_t* const begin = begun(i, row);
        std::uint16_t* const out = difference();
        for (std::ptrdiff_t k = 0; k < elements_; k += 2 * kLanes) {
            const U16 sum = load_as<U16>(end + k) - load_as<U16>(begin + k);
            std::memcpy(out + k, &sum, sizeof sum);
        }
        const CoarseLevel& level = levels_[i];
        const SplitRow to{level.planes.row(row), level.planes.plane};
        const ColumnBins& bins = level.level.columns;
        const auto put = [&](int at, const auto& block) __attribute__((always_inline)) { to.put_block(at, block); };
        // The bins of coarse levels are wide, so the forms for the narrowest would only take room.
        if (rows * (bins.count + 1) > kMax16) {
            sum_columns<0, std::uint16_t, std::uint32_t>(out, bins, 0, 0, bins.size, rows, put);
        } else {
            sum_columns<0, std::uint16_t, std::uint16_t>(out, bins, 0, 0, bins.size, rows, put);
        }
    }

    MF_INLINE void add_rows(std::int64_t begin, std::int64_t end) const {
        const std::uint8_t* p = image_.data + begin * image_.pitch;
        std::int64_t rows = end - begin;
        for (; rows >= 4; rows -= 4, p += 4 * image_.pitch) sum_group<4, true>(p, image_.pitch, elements_, running());
        for (; rows >= 2; rows -= 2, p += 2 * image_.pitch) sum_group<2, true>(p, image_.pitch, elements_, running());
        if (rows > 0) sum_group<1, true>(p, image_.pitch, elements_, running());
    }

    const ImageView& image_;
    const CoarseLevel* const levels_;
    const int count_;
    const std::ptrdiff_t elements_;
    const std::ptrdiff_t row_;
    std::uint16_t* const memory_;
    Progress progress_[kCoarseTogether] = {};
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
