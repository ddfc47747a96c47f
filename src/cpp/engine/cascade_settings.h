// What a detection can be told, already checked.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "common/boxes.h"
#include "common/crop_window.h"

namespace mtcnn_fast::engine {

struct CascadeSettings {
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
