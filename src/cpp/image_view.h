// An image that somebody else owns.
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

}  // namespace mtcnn_fast
