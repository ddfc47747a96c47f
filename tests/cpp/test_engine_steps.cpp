// Each step of the cascade against its definition: the networks in float64 (reference_networks.h), resizing and crops
// by the operations that other tests compare bit for bit. With thresholds of 0 and suppression off, the trace has the
// score of every cell and candidate.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "check.h"
#include "common/boxes.h"
#include "common/crop_window.h"
#include "common/resample.h"
#include "cpp/crop.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"
#include "cpp/resize.h"
#include "engine_fixture.h"
#include "reference_networks.h"

namespace {

using namespace mtcnn_fast;
using engine::available_isas;
using engine::Candidates;
using engine::CascadeSettings;
using engine::Detections;

constexpr double kScoreTolerance = 2e-5;
// In units of a box: offsets are small numbers.
constexpr float kOffsetTolerance = 2e-5f;

CascadeSettings everything(double min_face_size) {
    CascadeSettings settings;
    settings.min_face_size = min_face_size;
    settings.thresholds = {0.0f, 0.0f, 0.0f};
    settings.nms_thresholds = {1.0f, 1.0f, 1.0f, 1.0f};
    return settings;
}

Detections detect(const engine::NetworkWeights& weights, const engine::KernelTable& kernels,
                  engine::Algorithm algorithm, const ImageView& image, const CascadeSettings& settings) {
    engine::Cascade cascade(weights, kernels, algorithm);
    const engine::Runner runner = [](std::int64_t n, const engine::Task& task) {
        for (std::int64_t i = 0; i < n; ++i) task(i, 0);
    };
    return std::move(cascade.detect(std::vector<ImageView>{image}, settings, runner, 1, false, true)[0]);
}

template <class Test>
void with_algorithms(Test test) {
    for (const engine::Isa& isa : available_isas()) {
        test(*isa.kernels, engine::Algorithm::kFast);
        test(*isa.kernels, engine::Algorithm::kDirect);
    }
}

bool near(const Box& a, const Box& b) {
    const float tolerance = kOffsetTolerance * (std::max(b.x2 - b.x1, b.y2 - b.y1) + 1);
    return std::abs(a.x1 - b.x1) <= tolerance && std::abs(a.y1 - b.y1) <= tolerance &&
           std::abs(a.x2 - b.x2) <= tolerance && std::abs(a.y2 - b.y2) <= tolerance;
}

Box offset_box(const reference::Maps& maps, std::size_t y, std::size_t x) {
    const auto at = [&](std::size_t c) { return static_cast<float>(maps.at(c, y, x)); };
    return {at(0), at(1), at(2), at(3)};
}

// A cell's box and what P-Net says of it.
struct Cell {
    Box box;
    double score;
    Box regressed;
};

using Levels = std::vector<std::vector<Cell>>;

Levels cells_of_all_levels(const RandomNetworks& networks, const ImageView& image, const CascadeSettings& settings) {
    Levels levels;
    const auto shorter = static_cast<double>(std::min(image.height, image.width));
    // NOLINTNEXTLINE(bugprone-float-loop-counter): the scales are products, as in the cascade.
    for (double s = 12 / settings.min_face_size; shorter * s >= 12; s *= settings.factor) {
        const auto height = static_cast<std::size_t>(scaled_size(image.height, s));
        const auto width = static_cast<std::size_t>(scaled_size(image.width, s));
        std::vector<float> planes(3 * height * width);
        const PlanesView out{planes.data(), static_cast<std::ptrdiff_t>(height * width),
                             static_cast<std::ptrdiff_t>(width)};
        resize_pyramid(image, {{static_cast<std::int32_t>(height), static_cast<std::int32_t>(width), out}},
                       *available_isas().back().kernels, 1);
        const auto net = reference::pnet(networks.pnet, reference::planes(planes.data(), height, width));
        std::vector<Cell>& cells = levels.emplace_back();
        for (std::size_t y = 0; y < net.logits.height; ++y)
            for (std::size_t x = 0; x < net.logits.width; ++x) {
                const Box box =
                    cell_box(static_cast<std::int64_t>(y), static_cast<std::int64_t>(x), static_cast<float>(s));
                const Box moved = square(regress(box, offset_box(net.offsets, y, x), 0.0f));
                cells.push_back({box, net.score(y, x), moved});
            }
    }
    return levels;
}

// Indices by descending score, ties in order.
std::vector<std::size_t> by_score(const std::vector<float>& scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    return order;
}

// Every cell of every level with its score, and its regressed square; boxes outside the image are dropped.
void check_pnet(const Levels& levels, const CascadeSettings& settings, const Detections& found) {
    const Candidates& pnet = found.trace[engine::kAfterPNet];
    const Candidates& proposals = found.trace[engine::kAfterProposals];
    std::vector<Box> expected(pnet.boxes.size());
    std::size_t first = 0;
    for (const std::vector<Cell>& cells : levels) {
        // Within a level boxes differ, as long as cells are at least a pixel apart.
        std::map<std::pair<float, float>, const Cell*> by_corner;
        for (const Cell& cell : cells) CHECK(by_corner.emplace(std::pair{cell.box.x1, cell.box.y1}, &cell).second);
        CHECK(first + cells.size() <= pnet.boxes.size());
        for (std::size_t i = first; i < first + cells.size(); ++i) {
            const Box& box = pnet.boxes[i];
            const Cell& cell = *by_corner.at({box.x1, box.y1});
            CHECK(box.x2 == cell.box.x2 && box.y2 == cell.box.y2);
            CHECK(std::abs(static_cast<double>(pnet.scores[i]) - cell.score) <= kScoreTolerance);
            expected[i] = cell.regressed;
        }
        first += cells.size();
    }
    CHECK(first == pnet.boxes.size());
    if (settings.nms_thresholds[1] < 1.0f) return;
    CHECK(proposals.boxes.size() == pnet.boxes.size());
    const std::vector<std::size_t> order = by_score(pnet.scores);
    for (std::size_t i = 0; i < order.size(); ++i) {
        CHECK(proposals.scores[i] == pnet.scores[order[i]]);
        CHECK(near(proposals.boxes[i], expected[order[i]]));
    }
}

reference::Maps crop(const ImageView& image, const Box& box, std::size_t size, Border border) {
    std::vector<float> planes(3 * size * size);
    CropScratch scratch;
    CHECK(crop_pad_resize(image, box, static_cast<std::int32_t>(size), border, *available_isas().back().kernels,
                          planes.data(), scratch));
    return reference::planes(planes.data(), size, size);
}

// Scores of the first `most` candidates, and all regressed squares that belong to them.
void check_rnet(const RandomNetworks& networks, const ImageView& image, const CascadeSettings& settings,
                const Detections& found, std::size_t most) {
    const Candidates& before = found.trace[engine::kAfterProposals];
    const Candidates& scored = found.trace[engine::kAfterRNet];
    const Candidates& after = found.trace[engine::kAfterRefinement];
    CHECK(scored.boxes.size() == before.boxes.size() && after.boxes.size() == before.boxes.size());
    CHECK(!scored.boxes.empty());
    const std::vector<std::size_t> order = by_score(scored.scores);
    for (std::size_t k = 0; k < std::min(most, order.size()); ++k) {
        const std::size_t i = order[k];
        const auto net = reference::rnet(networks.rnet, crop(image, before.boxes[i], 24, settings.border));
        CHECK(std::abs(static_cast<double>(scored.scores[i]) - net.score()) <= kScoreTolerance);
        CHECK(near(after.boxes[k], square(regress(scored.boxes[i], offset_box(net.offsets, 0, 0), 1.0f))));
    }
}

void check_onet(const RandomNetworks& networks, const ImageView& image, const CascadeSettings& settings,
                const Detections& found, std::size_t most) {
    const Candidates& before = found.trace[engine::kAfterRefinement];
    const Candidates& scored = found.trace[engine::kAfterONet];
    CHECK(scored.boxes.size() == before.boxes.size() && found.boxes.size() == before.boxes.size());
    for (std::size_t i = 0; i < std::min(most, scored.boxes.size()); ++i) {
        const auto net = reference::onet(networks.onet, crop(image, before.boxes[i], 48, settings.border));
        CHECK(std::abs(static_cast<double>(scored.scores[i]) - net.score()) <= kScoreTolerance);
        const Box& box = before.boxes[i];
        const Box expected = regress(box, offset_box(net.offsets, 0, 0), 1.0f);
        bool matched = false;
        for (std::size_t k = 0; k < found.boxes.size() && !matched; ++k) {
            matched = found.scores[k] == scored.scores[i] && near(found.boxes[k], expected);
            for (std::size_t p = 0; matched && p < 5; ++p) {
                const auto x = static_cast<float>(net.landmarks.values[p]);
                const auto y = static_cast<float>(net.landmarks.values[5 + p]);
                const float tolerance = 5 * kOffsetTolerance * (box.x2 - box.x1 + 1);
                const engine::Landmarks& points = found.landmarks[k];
                CHECK(std::abs(points[2 * p] - landmark_coordinate(box.x1, box.x2, x)) <= tolerance);
                CHECK(std::abs(points[2 * p + 1] - landmark_coordinate(box.y1, box.y2, y)) <= tolerance);
            }
        }
        CHECK(matched);
    }
}

void every_step_is_as_defined() {
    const RandomNetworks networks(3);
    const engine::NetworkWeights weights = networks.pack();
    for (const Border border : {Border::kZero, Border::kClip}) {
        for (const double min_face_size : kEvery == 1 ? std::vector{7.0, 12.0} : std::vector{12.0}) {
            const RandomImage image(kEvery == 1 ? 27 : 17, 21, 4);
            CascadeSettings settings = everything(min_face_size);
            settings.border = border;
            const Levels levels = cells_of_all_levels(networks, image.view(), settings);
            with_algorithms([&](const engine::KernelTable& kernels, engine::Algorithm algorithm) {
                const Detections found = detect(weights, kernels, algorithm, image.view(), settings);
                check_pnet(levels, settings, found);
                check_rnet(networks, image.view(), settings, found, kEvery == 1 ? 9 : 3);
                check_onet(networks, image.view(), settings, found, kEvery == 1 ? 3 : 1);
            });
        }
    }
}

// Images of every remainder and of several tiles; one proposal goes on, so that only P-Net takes time.
void pnet_is_as_defined_on_every_size() {
    const RandomNetworks networks(5);
    const engine::NetworkWeights weights = networks.pack();
    CascadeSettings settings = everything(12);
    settings.nms_thresholds[1] = 0.0f;
    std::vector<std::pair<std::int64_t, std::int64_t>> sizes{{125, 24}, {13, 540}, {230, 14}};
    for (std::int64_t n = 12; n < 60; n += kEvery * (n < 24 ? 1 : 7))
        sizes.insert(sizes.end(), {{n, 26}, {25, n}, {n, n}});
    for (const auto& [height, width] : sizes) {
        const RandomImage image(height, width, static_cast<std::uint64_t>(height + 1000 * width));
        const Levels levels = cells_of_all_levels(networks, image.view(), settings);
        with_algorithms([&](const engine::KernelTable& kernels, engine::Algorithm algorithm) {
            check_pnet(levels, settings, detect(weights, kernels, algorithm, image.view(), settings));
        });
    }
}

// Sums of at most 257 rows of bytes fit 16 bits: bins of 256 to 259 rows, all bytes 255 where that overflows first.
void sums_are_exact_at_the_limit_of_16_bits() {
    const RandomNetworks networks(6);
    const engine::NetworkWeights weights = networks.pack();
    for (const double pixels : kEvery == 1 ? std::vector{256.0, 256.6, 257.3, 258.4} : std::vector{257.3}) {
        CascadeSettings settings = everything(12 * pixels);
        const auto side = static_cast<std::int64_t>(12 * pixels) + 9;
        RandomImage image(side, side, 8);
        std::memset(image.pixels(), 255, static_cast<std::size_t>(side * side * 3 / 2));
        const Levels levels = cells_of_all_levels(networks, image.view(), settings);
        with_algorithms([&](const engine::KernelTable& kernels, engine::Algorithm algorithm) {
            const Detections found = detect(weights, kernels, algorithm, image.view(), settings);
            CHECK(!found.trace[engine::kAfterPNet].boxes.empty());
            check_pnet(levels, settings, found);
        });
    }
}

// P-Net's offsets are made so large that boxes are many times the image: bins of hundreds of rows, most outside.
void crops_far_larger_than_the_image() {
    RandomNetworks networks(9);
    for (const float reach : kEvery == 1 ? std::vector{1.0f, 40.0f, 400.0f} : std::vector{400.0f}) {
        float* const bias = networks.data(networks.pnet, "conv4_2.bias");
        bias[0] = bias[1] = -reach;
        bias[2] = bias[3] = reach;
        const engine::NetworkWeights weights = networks.pack();
        const RandomImage image(29, 37, 4);
        const CascadeSettings settings = everything(20);
        with_algorithms([&](const engine::KernelTable& kernels, engine::Algorithm algorithm) {
            const Detections found = detect(weights, kernels, algorithm, image.view(), settings);
            const Box& box = found.trace[engine::kAfterProposals].boxes.at(0);
            CHECK(box.x1 < 0 && box.x2 - box.x1 > reach * 20);
            check_rnet(networks, image.view(), settings, found, 5);
            check_onet(networks, image.view(), settings, found, 2);
        });
    }
}

}  // namespace

int main() {
    RUN(every_step_is_as_defined);
    RUN(pnet_is_as_defined_on_every_size);
    RUN(sums_are_exact_at_the_limit_of_16_bits);
    RUN(crops_far_larger_than_the_image);
}
