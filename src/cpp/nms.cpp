#include "cpp/nms.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>
#include "common/boxes.h"
#include "common/overlap.h"

namespace mtcnn_fast {
namespace {

using Kept = NmsScratch::Kept;
using Level = NmsScratch::Level;

// Levels are powers of two; smaller boxes share the lowest.
constexpr int kMinExponent = -20;
constexpr int kMaxExponent = 32;
// Boxes that reach beyond this, or whose area is so small or large that rounding decides its ratios, are compared with
// all.
constexpr double kMaxReach = 1073741824.0;
constexpr float kMinArea = 1e-20f;
constexpr float kMaxArea = 1e20f;
constexpr std::int64_t kMaxSide = 1024;

// Sorts ascending, equal keys in their order, by the upper 32 bits.
void sort_by_upper_half(std::vector<std::uint64_t>& keys, std::vector<std::uint64_t>& spare) {
    if (keys.size() < 128) {
        // The lower half is the index, so that the whole key orders the same.
        std::sort(keys.begin(), keys.end());
        return;
    }
    spare.resize(keys.size());
    for (int shift = 32; shift < 64; shift += 8) {
        std::array<std::uint32_t, 256> at{};
        for (const std::uint64_t key : keys) ++at[key >> shift & 255];
        if (at[keys[0] >> shift & 255] == keys.size()) continue;
        std::uint32_t sum = 0;
        for (std::uint32_t& count : at) sum += std::exchange(count, sum);
        for (const std::uint64_t key : keys) spare[at[key >> shift & 255]++] = key;
        keys.swap(spare);
    }
}

// An unsigned number that is smaller the higher the score.
std::uint32_t descending(float score) {
    const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);  // -0 and 0 tie
    return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

// Fills `order` with the indices of all scores that are not NaN, highest first.
void sort_scores(const float* scores, std::int32_t n, NmsScratch& scratch) {
    scratch.keys.clear();
    for (std::int32_t i = 0; i < n; ++i) {
        if (!std::isnan(scores[i])) {
            scratch.keys.push_back(std::uint64_t{descending(scores[i])} << 32 | static_cast<std::uint32_t>(i));
        }
    }
    sort_by_upper_half(scratch.keys, scratch.spare);
    scratch.order.clear();
    for (const std::uint64_t key : scratch.keys) scratch.order.push_back(static_cast<std::int32_t>(key & 0xffffffffu));
}

// 2 ** exponent.
double power_of_two(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + exponent) << 52); }

// Where a box belongs. `kInert` overlaps nothing, not even itself; `kWild` is compared with every other.
enum : int { kInert = kMaxExponent + 1, kWild };

int level_of(const Box& box, float area, Overlap mode) {
    const double w = double{box.x2} - box.x1;
    const double h = double{box.y2} - box.y1;
    // Rounding is monotonic: below -1 in float64 means that the float32 width or height is at most 0 after adding 1.
    const bool active = mode == Overlap::kIou ? w > 0 && h > 0 : w >= -1 && h >= -1;
    if (!active) return kInert;
    const double reach = std::max(
        {std::abs(double{box.x1}), std::abs(double{box.y1}), std::abs(double{box.x2}), std::abs(double{box.y2})});
    const bool tame = reach <= kMaxReach && area >= kMinArea && area <= kMaxArea;  // not if one is NaN
    if (!tame) return kWild;
    // The least power of two that is above both sides, with a margin for their rounding.
    const auto bits = std::bit_cast<std::uint64_t>(std::max(w, h) * 1.0001);
    return std::max(kMinExponent, static_cast<int>(bits >> 52 & 0x7ff) - 1023 + 1);
}

class Suppressor {
  public:
    Suppressor(float threshold, Overlap mode, NmsScratch& scratch)
        : threshold_(threshold),
          surely_below_(threshold > 1e-15f ? threshold * 0.999f : 0.0f),
          slack_(mode == Overlap::kIou ? std::max(1.01 - threshold, 0.0) : 1.0),
          mode_(mode),
          scratch_(scratch) {
        scratch.levels.resize(kMaxExponent - kMinExponent + 1);
        scratch.wild.clear();
        // Boxes `gap` levels apart have an IoU of less than 2 ** (1 - gap), give or take rounding.
        reach_ = kMaxExponent - kMinExponent;
        if (mode == Overlap::kIou) {
            while (reach_ > 0 && 1.01 * power_of_two(1 - reach_) < threshold) --reach_;
            while (finer_ < 4 && slack_ * power_of_two(finer_) < 0.75) ++finer_;
        }
    }

    // Counts the boxes of each level, from which the number of its cells follows.
    void prepare(const Box* boxes, const std::int32_t* order, std::int32_t n) {
        for (Level& level : scratch_.levels) level.expected = 0;
        for (std::int32_t i = 0; i < n; ++i) {
            const Box& box = boxes[order[i]];
            const int exponent = level_of(box, box_area(box, mode_), mode_);
            if (exponent <= kMaxExponent) ++level(exponent).expected;
        }
        for (Level& level : scratch_.levels) {
            level.kept.clear();
            level.side = 1;
            while (level.side < kMaxSide && level.side * level.side < level.expected) level.side *= 2;
            if (level.expected > 0) level.cells.assign(level.side * level.side, -1);
        }
    }

    // Keeps the box unless one that was kept before drops it.
    bool offer(const Box& box) {
        const float area = box_area(box, mode_);
        const int exponent = level_of(box, area, mode_);
        if (exponent == kInert) return true;
        if (dropped_by_wild(box, area)) return false;
        if (exponent == kWild) {
            for (const Level& level : scratch_.levels) {
                for (const Kept& kept : level.kept) {
                    if (overlaps(kept.box, kept.area, box, area, threshold_, mode_)) return false;
                }
            }
            scratch_.wild.push_back({box, area, -1});
            return true;
        }
        // Its own level first: there is the box that drops it, most often.
        if (dropped_by_level(box, area, exponent)) return false;
        for (int gap = 1; gap <= reach_; ++gap) {
            if (exponent + gap <= kMaxExponent && dropped_by_level(box, area, exponent + gap)) return false;
            if (exponent - gap >= kMinExponent && dropped_by_level(box, area, exponent - gap)) return false;
        }
        insert(box, area, exponent);
        return true;
    }

  private:
    Level& level(int exponent) { return scratch_.levels[exponent - kMinExponent]; }

    // floor(coordinate / cell size), exactly.
    std::int64_t cell(double coordinate, int exponent) const {
        const double quotient = coordinate * power_of_two(finer_ - exponent);
        const auto truncated = static_cast<std::int64_t>(quotient);
        return truncated - (quotient < static_cast<double>(truncated));
    }

    void insert(const Box& box, float area, int exponent) {
        Level& home = level(exponent);
        const std::int64_t mask = home.side - 1;
        std::int32_t& head = home.cells[(cell(box.y1, exponent) & mask) * home.side + (cell(box.x1, exponent) & mask)];
        home.kept.push_back({box, area, head});
        head = static_cast<std::int32_t>(home.kept.size()) - 1;
    }

    // `overlaps` for boxes that are not wild: most need no division.
    bool dropped(const Box& box, float area, const Kept& kept) const {
        const float extra = overlap_extra(mode_);
        const float w = std::min(box.x2, kept.box.x2) - std::max(box.x1, kept.box.x1) + extra;
        const float h = std::min(box.y2, kept.box.y2) - std::max(box.y1, kept.box.y1) + extra;
        const float shared = std::max(w, 0.0f) * std::max(h, 0.0f);
        const float whole = mode_ == Overlap::kIou ? area + kept.area - shared : std::min(area, kept.area);
        return shared > surely_below_ * whole && shared / whole > threshold_;
    }

    bool dropped_by_wild(const Box& box, float area) const {
        return std::any_of(scratch_.wild.begin(), scratch_.wild.end(), [&](const Kept& kept) {
            return overlaps(kept.box, kept.area, box, area, threshold_, mode_);
        });
    }

    struct Cells {
        std::int64_t begin;
        std::int64_t count;
    };

    // Where on one axis the kept boxes of a level begin that can drop a box from `first` to `last`. An IoU above t
    // needs a common width of t times the larger width, so that the one further right begins within 1 - t of the
    // other's width. IoMin needs a common width above 0, after adding 1.
    Cells window(float first, float last, int exponent, std::int64_t side) const {
        const double size = double{last} - first;
        const double margin = 2.0 * overlap_extra(mode_);
        const double before = slack_ * power_of_two(exponent) + margin;
        const double after = slack_ * size + margin;
        const std::int64_t begin = cell(first - before, exponent);
        return {begin, std::min(cell(first + after, exponent) - begin + 1, side)};
    }

    bool dropped_by_level(const Box& box, float area, int exponent) {
        const Level& other = level(exponent);
        if (other.kept.empty()) return false;
        const Cells rows = window(box.y1, box.y2, exponent, other.side);
        const Cells columns = window(box.x1, box.x2, exponent, other.side);
        if (columns.count * rows.count >= static_cast<std::int64_t>(other.kept.size())) {
            return std::any_of(other.kept.begin(), other.kept.end(),
                               [&](const Kept& kept) { return dropped(box, area, kept); });
        }
        const std::int64_t mask = other.side - 1;
        for (std::int64_t y = rows.begin; y < rows.begin + rows.count; ++y) {
            const std::int32_t* const row = other.cells.data() + (y & mask) * other.side;
            for (std::int64_t x = columns.begin; x < columns.begin + columns.count; ++x) {
                for (std::int32_t i = row[x & mask]; i >= 0; i = other.kept[i].next) {
                    if (dropped(box, area, other.kept[i])) return true;
                }
            }
        }
        return false;
    }

    float threshold_;
    float surely_below_;
    double slack_;
    Overlap mode_;
    int reach_ = 0;
    int finer_ = 0;  // a level's cells are 2 ** finer_ times smaller than its boxes
    NmsScratch& scratch_;
};

void suppress(const Box* boxes, const std::int32_t* order, std::int32_t n, float threshold, Overlap mode,
              std::vector<std::int32_t>& keep, NmsScratch& scratch) {
    Suppressor suppressor(threshold, mode, scratch);
    suppressor.prepare(boxes, order, n);
    for (std::int32_t i = 0; i < n; ++i) {
        if (suppressor.offer(boxes[order[i]])) keep.push_back(order[i]);
    }
}

}  // namespace

void nms(const Box* boxes, const float* scores, std::int32_t n, float threshold, Overlap mode,
         std::vector<std::int32_t>& keep, NmsScratch& scratch) {
    sort_scores(scores, n, scratch);
    suppress(boxes, scratch.order.data(), static_cast<std::int32_t>(scratch.order.size()), threshold, mode, keep,
             scratch);
}

void batched_nms(const Box* boxes, const float* scores, const std::int64_t* segments, std::int32_t n, float threshold,
                 Overlap mode, std::vector<std::int32_t>& keep, NmsScratch& scratch) {
    sort_scores(scores, n, scratch);
    std::vector<std::int32_t>& order = scratch.order;
    const auto earlier = [segments](std::int32_t a, std::int32_t b) { return segments[a] < segments[b]; };
    if (!std::is_sorted(order.begin(), order.end(), earlier)) std::stable_sort(order.begin(), order.end(), earlier);
    for (auto first = order.begin(); first != order.end();) {
        const auto last =
            std::find_if(first, order.end(), [&](std::int32_t i) { return segments[i] != segments[*first]; });
        suppress(boxes, &*first, static_cast<std::int32_t>(last - first), threshold, mode, keep, scratch);
        first = last;
    }
}

}  // namespace mtcnn_fast
