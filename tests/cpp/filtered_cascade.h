// What any filter before R-Net or O-Net must leave of the cascade's results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "common/boxes.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"
#include "engine_fixture.h"

namespace mtcnn_fast {

inline bool same(const engine::Detections& a, const engine::Detections& b) {
    const auto bits = [](const auto& x, const auto& y) {
        return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(x[0])) == 0);
    };
    return bits(a.boxes, b.boxes) && bits(a.scores, b.scores) && bits(a.landmarks, b.landmarks);
}

// make(isa, margin) is the filter before `network`, beside the kernels of an instruction set. `image` and another one
// are searched.
template <class Make>
void check_filtered_cascade(const engine::NetworkWeights& weights, const std::vector<engine::Isa>& isas,
                            const RandomImage& image, const std::array<float, 3>& thresholds,
                            engine::FilteredNetwork network, Make make) {
    using namespace engine;
    const bool of_rnet = network == FilteredNetwork::kRNet;
    const Step step = of_rnet ? kAfterRNet : kAfterONet;
    const auto filters = [&](const Isa& isa, float margin) {
        return of_rnet ? CropFilters{make(isa, margin), {}} : CropFilters{{}, make(isa, margin)};
    };
    const RandomImage other(24, 30, 2);
    CascadeSettings settings;
    settings.min_face_size = 12;
    settings.thresholds = thresholds;
    const std::vector<ImageView> views{image.view(), other.view(), image.view()};
    for (const Isa& isa : isas) {
        const auto detect = [&](const CropFilters& of, int threads, bool trace) {
            Cascade cascade(weights, *isa.kernels, Algorithm::kFast, of);
            const Runner runner = [&](std::int64_t n, const Task& task) { ThreadPool::shared().run(n, threads, task); };
            return cascade.detect(views, settings, runner, threads, false, trace);
        };
        const std::vector<Detections> expected = detect({}, 1, true);
        CHECK(!expected[0].boxes.empty());
        for (const bool trace : {false, true}) {
            for (const int threads : {1, 3}) {
                const auto all = detect(filters(isa, 1e9f), threads, trace);
                const auto some = detect(filters(isa, 0.0f), threads, trace);
                const auto none = detect(filters(isa, -1e9f), threads, trace);
                for (std::size_t i = 0; i < views.size(); ++i) {
                    CHECK(same(all[i], expected[i]));
                    CHECK(none[i].boxes.empty());
                }
                CHECK(same(some[0], some[2]) && same(some[0], detect(filters(isa, 0.0f), 2, false)[0]));
                if (!trace) continue;
                const Candidates &full = expected[0].trace[step], &found = none[0].trace[step];
                CHECK(found.boxes.empty() &&
                      found.dropped.boxes.size() == full.boxes.size() + full.dropped.boxes.size());
            }
        }
        Cascade cascade(weights, *isa.kernels, Algorithm::kFast, filters(isa, 0.0f));
        const Runner runner = [&](std::int64_t n, const Task& task) { ThreadPool::shared().run(n, 2, task); };
        const auto differences = cascade.filter_differences(views, network, settings, runner, 2);
        CHECK(differences[0].exact.size() == differences[0].filter.size() && !differences[0].exact.empty());
        CHECK(differences[0].filter == differences[2].filter && differences[0].exact == differences[2].exact);
        // Boxes of the caller's go by the filter.
        Cascade dropping(weights, *isa.kernels, Algorithm::kFast, filters(isa, -1e9f));
        Cascade plain(weights, *isa.kernels, Algorithm::kFast);
        const std::vector<std::vector<Box>> boxes(3, expected[0].trace[kAfterProposals].boxes);
        const auto refined = dropping.refine(views, boxes, settings, runner, 2);
        CHECK(!refined[0].boxes.empty() && same(refined[0], plain.refine(views, boxes, settings, runner, 2)[0]));
    }
}

}  // namespace mtcnn_fast
