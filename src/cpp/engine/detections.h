// Results of a detection: faces and, on request, times and the fate of every candidate.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "common/boxes.h"

namespace mtcnn_fast::engine {

// Stages that are timed, steps that are traced and reasons to drop a candidate. Their names and order are those of the
// Python package, which a test compares with the names that the module exports.
enum Stage : std::uint8_t {
    kPyramid,
    kPNet,
    kProposals,
    kRNetCrop,
    kRNet,
    kRefinement,
    kONetCrop,
    kONet,
    kOutput,
    kStages
};
enum Step : std::uint8_t {
    kAfterPNet,
    kAfterProposals,
    kAfterRNet,
    kAfterRefinement,
    kAfterONet,
    kAfterOutput,
    kSteps
};
enum class Reason : std::uint8_t { kThreshold, kOverlap, kDegenerate, kLimit };

inline constexpr std::array<const char*, kStages> kStageNames{
    "pyramid", "pnet", "proposals", "rnet_crop", "rnet", "refinement", "onet_crop", "onet", "output"};
inline constexpr std::array<const char*, kSteps> kStepNames{"pnet",       "proposals", "rnet",
                                                            "refinement", "onet",      "output"};
inline constexpr std::array<const char*, 4> kReasonNames{"threshold", "overlap", "degenerate", "limit"};

struct Dropped {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Reason> reasons;
    std::vector<Box> by;  // the better box that a candidate overlaps, where that is the reason; else NaN
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
