// The settings of a detection, already checked.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "common/boxes.h"
#include "common/crop_window.h"

namespace mtcnn_fast::engine {

// Pixels a side of an image: float32, in which boxes are, holds each whole number up to here. The finest level, 12
// times as large for the least min_face_size, then has sides that fit 32 bits.
inline constexpr std::int64_t kMaxDetectedSide = std::int64_t{1} << 24;

struct CascadeSettings {
    // At least 1.
    double min_face_size = 20.0;
    double max_face_size = std::numeric_limits<double>::infinity();
    double factor = 0.709;
    std::array<float, 3> thresholds{0.6f, 0.7f, 0.7f};
    std::array<float, 4> nms_thresholds{0.5f, 0.7f, 0.7f, 0.7f};
    Border border = Border::kZero;
    BoxCoding coding = BoxCoding::kCorner;
    std::int64_t max_faces = std::numeric_limits<std::int64_t>::max();
};

}  // namespace mtcnn_fast::engine
