#include "cpp/engine/candidates.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "common/boxes.h"
#include "common/overlap.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/probability.h"
#include "cpp/engine/worker.h"
#include "cpp/nms.h"

namespace mtcnn_fast::engine {
namespace {

template <class T>
std::vector<T> gather(const std::vector<T>& values, const std::vector<std::int32_t>& order) {
    std::vector<T> out;
    out.reserve(order.size());
    for (const std::int32_t i : order) out.push_back(values[static_cast<std::size_t>(i)]);
    return out;
}

bool finite(const Box& box) {
    return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) && std::isfinite(box.y2);
}

bool finite(const Landmarks& points) {
    return std::all_of(points.begin(), points.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

void ImageCandidates::add_cells(std::vector<Cell>& cells, float scale, Worker& worker) {
    std::sort(cells.begin(), cells.end(),
              [](const Cell& a, const Cell& b) { return std::tie(a.row, a.column) < std::tie(b.row, b.column); });
    ImageCandidates level(view_, settings_, trace_);
    for (const Cell& cell : cells) {
        level.boxes_.push_back(cell_box(cell.row, cell.column, scale));
        level.scores_.push_back(cell.score);
        level.offsets_.push_back(cell.offset);
    }
    level.keep(level.survivors(settings_.nms_thresholds[0], Overlap::kIou, worker));
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(boxes_, level.boxes_);
    append(scores_, level.scores_);
    append(offsets_, level.offsets_);
    append(dropped_.boxes, level.dropped_.boxes);
    append(dropped_.scores, level.dropped_.scores);
    append(dropped_.reasons, level.dropped_.reasons);
    append(dropped_.by, level.dropped_.by);
}

void ImageCandidates::merge(Detections& result, Worker& worker) {
    record(result, kAfterPNet);
    keep(survivors(settings_.nms_thresholds[1], Overlap::kIou, worker));
    regress_and_square(0.0f);
    record(result, kAfterProposals);
}

void ImageCandidates::hand_out(Detections& result) {
    result.boxes = std::move(boxes_);
    result.scores = std::move(scores_);
}

void ImageCandidates::take_squares_of(const std::vector<Box>& boxes) {
    for (const Box& box : boxes) {
        boxes_.push_back(square(box));
        scores_.push_back(0.0f);
        if (!window(boxes_.size() - 1).valid()) {
            boxes_.pop_back();
            scores_.pop_back();
        }
    }
}

void ImageCandidates::refine(const float* outputs, const std::uint8_t* dropped, Detections& result, Worker& worker) {
    accept(outputs, dropped, settings_.thresholds[1]);
    record(result, kAfterRNet);
    keep(survivors(settings_.nms_thresholds[2], Overlap::kIou, worker));
    regress_and_square(1.0f);
    record(result, kAfterRefinement);
}

void ImageCandidates::finish(const float* outputs, const std::uint8_t* dropped, Detections& result, Worker& worker) {
    const Indices accepted = accept(outputs, dropped, settings_.thresholds[2]);
    record(result, kAfterONet);
    const std::vector<Landmarks> landmarks = place_landmarks(outputs, accepted);
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        boxes_[i] = regress(boxes_[i], offsets_[i], 1.0f, settings_.coding);
    }
    Indices& kept = survivors(settings_.nms_thresholds[3], Overlap::kIoMin, worker);
    std::erase_if(kept, [&](std::int32_t index) {
        const auto i = static_cast<std::size_t>(index);
        if (finite(boxes_[i]) && finite(landmarks[i])) return false;
        drop(i, Reason::kDegenerate);
        return true;
    });
    order_and_limit(kept);
    keep(kept);
    record(result, kAfterOutput);
    result.boxes = boxes_;
    result.scores = scores_;
    result.landmarks = gather(landmarks, kept);
}

void ImageCandidates::keep(const Indices& order) {
    boxes_ = gather(boxes_, order);
    scores_ = gather(scores_, order);
    offsets_ = gather(offsets_, order);
}

// Keeps the candidates whose probability exceeds the threshold and that no filter has dropped; returns which they were.
ImageCandidates::Indices ImageCandidates::accept(const float* outputs, const std::uint8_t* dropped, float threshold) {
    Indices accepted;
    offsets_.resize(boxes_.size());
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        const float* const out = outputs + i * kCropOutputs;
        scores_[i] = face_probability(out[0], out[1]);
        offsets_[i] = {out[2], out[3], out[4], out[5]};
        if (scores_[i] > threshold && (dropped == nullptr || dropped[i] == 0)) {
            accepted.push_back(static_cast<std::int32_t>(i));
        } else {
            drop(i, Reason::kThreshold);
        }
    }
    keep(accepted);
    return accepted;
}

// The indices that suppression leaves, in the worker's memory.
ImageCandidates::Indices& ImageCandidates::survivors(float threshold, Overlap mode, Worker& worker) {
    worker.keep.clear();
    nms(boxes_.data(), scores_.data(), static_cast<std::int32_t>(boxes_.size()), threshold, mode, worker.keep,
        worker.nms);
    if (trace_) drop_overlapping(worker.keep, threshold, mode);
    return worker.keep;
}

// Regression, squaring, and only those that the next stage can crop.
void ImageCandidates::regress_and_square(float extra) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        boxes_[i] = square(regress(boxes_[i], offsets_[i], extra, settings_.coding));
        if (!window(i).valid()) {
            drop(i, Reason::kDegenerate);
            continue;
        }
        boxes_[n] = boxes_[i];
        scores_[n++] = scores_[i];
    }
    boxes_.resize(n);
    scores_.resize(n);
}

std::vector<Landmarks> ImageCandidates::place_landmarks(const float* outputs, const Indices& accepted) const {
    std::vector<Landmarks> landmarks(accepted.size());
    for (std::size_t i = 0; i < accepted.size(); ++i) {
        const float* const points = outputs + static_cast<std::size_t>(accepted[i]) * kCropOutputs + 6;
        const Box& box = boxes_[i];
        for (std::size_t k = 0; k < 5; ++k) {
            landmarks[i][2 * k] = landmark_coordinate(box.x1, box.x2, points[k]);
            landmarks[i][2 * k + 1] = landmark_coordinate(box.y1, box.y2, points[5 + k]);
        }
    }
    return landmarks;
}

// Highest score first, and no more than are wanted.
void ImageCandidates::order_and_limit(Indices& kept) {
    const auto key = [&](std::int32_t index) {
        const auto i = static_cast<std::size_t>(index);
        const Box& b = boxes_[i];
        return std::make_tuple(-scores_[i], b.x1, b.y1, b.x2, b.y2);
    };
    std::stable_sort(kept.begin(), kept.end(), [&](std::int32_t a, std::int32_t b) { return key(a) < key(b); });
    const auto limit = static_cast<std::size_t>(settings_.max_faces);
    for (std::size_t i = limit; i < kept.size(); ++i) drop(static_cast<std::size_t>(kept[i]), Reason::kLimit);
    if (kept.size() > limit) kept.resize(limit);
}

void ImageCandidates::drop(std::size_t i, Reason reason, const Box* by) {
    if (!trace_) return;
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    dropped_.boxes.push_back(boxes_[i]);
    dropped_.scores.push_back(scores_[i]);
    dropped_.reasons.push_back(reason);
    dropped_.by.push_back(by != nullptr ? *by : Box{nan, nan, nan, nan});
}

// Records which box dropped each: the best of those that overlap it. Suppression itself does not return that.
void ImageCandidates::drop_overlapping(const Indices& kept, float threshold, Overlap mode) {
    std::vector<bool> alive(boxes_.size());
    for (const std::int32_t k : kept) alive[static_cast<std::size_t>(k)] = true;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        if (alive[i]) continue;
        const float area = box_area(boxes_[i], mode);
        const auto by = std::find_if(kept.begin(), kept.end(), [&](std::int32_t k) {
            const Box& better = boxes_[static_cast<std::size_t>(k)];
            return overlaps(better, box_area(better, mode), boxes_[i], area, threshold, mode);
        });
        // A score that is not a number has no place in the order, and nothing is better than it.
        if (by != kept.end() && !std::isnan(scores_[i])) {
            drop(i, Reason::kOverlap, &boxes_[static_cast<std::size_t>(*by)]);
        }
    }
}

void ImageCandidates::record(Detections& result, Step step) {
    if (trace_) result.trace[step] = {boxes_, scores_, std::exchange(dropped_, {})};
}

}  // namespace mtcnn_fast::engine
