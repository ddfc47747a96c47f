// What a detection returns: faces, and if asked, times and the fate of every candidate.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "common/boxes.h"

namespace mtcnn_fast::engine {

// Stages that are timed, steps that are traced and reasons to drop a candidate, in the order of
// mtcnn_fast.backends.stages.
enum Stage { kPyramid, kPNet, kProposals, kRNetCrop, kRNet, kRefinement, kONetCrop, kONet, kOutput, kStages };
enum Step { kAfterPNet, kAfterProposals, kAfterRNet, kAfterRefinement, kAfterONet, kAfterOutput, kSteps };
enum class Reason : std::uint8_t { kThreshold, kOverlap, kDegenerate, kLimit };

struct Dropped {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Reason> reasons;
    std::vector<Box> by;  // the better box that a candidate overlaps; else NaN
};

struct Candidates {
    std::vector<Box> boxes;
    std::vector<float> scores;
    Dropped dropped;
};

// x and y of the five points, one after the other.
using Landmarks = std::array<float, 10>;

struct Detections {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Landmarks> landmarks;
    std::array<double, kStages> seconds{};
    std::array<Candidates, kSteps> trace;
};

}  // namespace mtcnn_fast::engine
