// Views of pixels whose memory the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtcnn_fast {

// Interleaved 8-bit RGB; rows are `pitch` bytes apart.
struct ImageView {
    const std::uint8_t* data;
    std::ptrdiff_t pitch;
    std::int64_t height;
    std::int64_t width;
};

// Three planes of float32, rows `pitch` and planes `plane` elements apart.
struct PlanesView {
    float* data;
    std::ptrdiff_t plane;
    std::ptrdiff_t pitch;
};

// Pixels a side that the resampler takes: corners of boxes reach no further (common/crop_window.h), and offsets within
// a row of sums fit 32 bits.
inline constexpr std::int64_t kMaxImageSide = std::int64_t{1} << 28;

}  // namespace mtcnn_fast
