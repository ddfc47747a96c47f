// Area resampling: sizes, bins and normalisation (docs/semantics.md, step 1).
#pragma once

#include <math.h>
#include <stdint.h>

#include "hd.h"

namespace mtcnn_fast {

inline constexpr float kPixelMean = 127.5f;
inline constexpr float kPixelScale = 0.0078125f;

// Size of `n` pixels scaled by `scale`: floor(n * scale + 1), in float64.
MF_HD int64_t scaled_size(int64_t n, double scale) {
    return static_cast<int64_t>(::floor(static_cast<double>(n) * scale + 1.0));
}

// The input pixels [begin, end) that output pixel `i` averages.
struct Bin {
    int64_t begin;
    int64_t end;

    MF_HD int64_t size() const { return end - begin; }
};

// Bin `i` of `n_in` pixels resampled to `n_out`: floor(i*n_in/n_out) ... ceil((i+1)*n_in/n_out). Never empty; it
// overlaps its neighbours where n_out does not divide n_in. Exact for 0 <= i < n_out < 2**31, 0 < n_in <= 2**32.
MF_HD Bin area_bin(int64_t i, int64_t n_in, int64_t n_out) {
    return {i * n_in / n_out, ((i + 1) * n_in + n_out - 1) / n_out};
}

// Walks over all bins of `n_in` pixels resampled to `n_out`, from bin `first` on: the same as area_bin, without a
// division for each.
class BinWalk {
  public:
    MF_HD BinWalk(int64_t n_in, int64_t n_out, int64_t first = 0)
        : step_(n_in / n_out),
          rest_(n_in % n_out),
          n_out_(n_out),
          at_(first * n_in / n_out),
          remainder_(first * n_in % n_out) {}

    MF_HD Bin next() {
        const int64_t begin = at_;
        at_ += step_;
        remainder_ += rest_;
        if (remainder_ >= n_out_) {
            remainder_ -= n_out_;
            ++at_;
        }
        return {begin, at_ + (remainder_ > 0)};
    }

  private:
    int64_t step_;
    int64_t rest_;
    int64_t n_out_;
    int64_t at_;         // floor(i * n_in / n_out) for the next bin i
    int64_t remainder_;  // i * n_in % n_out
};

// 1 / area as the float32 quotient of 1 and float32(area): below 2**24 the correctly rounded one.
MF_HD float inverse_area(int64_t area) { return 1.0f / static_cast<float>(area); }

// Mean of a bin, mapped to about [-1, 1]; `Sum` is an unsigned integer that holds the exact sum of the bytes.
template <typename Sum>
MF_HD float normalise_sum(Sum sum, float inverse) {
    return (static_cast<float>(sum) * inverse - kPixelMean) * kPixelScale;
}

}  // namespace mtcnn_fast
