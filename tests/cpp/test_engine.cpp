// The cascade on random networks: no result depends on threads, batches or what lies beside an image's rows. Built
// under the sanitizers in CI.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "common/crop_window.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"
#include "cpp/thread_pool.h"
#include "engine_fixture.h"

namespace {

using namespace mtcnn_fast;
using namespace mtcnn_fast::engine;

const RandomNetworks kNetworks(7);

std::vector<Detections> detect(Cascade& cascade, const std::vector<ImageView>& images, const CascadeSettings& settings,
                               int threads, const ThreadPool::Poll& poll = {}) {
    const Runner runner = [&](std::int64_t n, const Task& task) { ThreadPool::shared().run(n, threads, task, poll); };
    return cascade.detect(images, settings, runner, threads, false, true);
}

// The value that a third of the others exceed.
float upper_third(std::vector<float> values) {
    CHECK(!values.empty());
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 2 / 3);
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

// Thresholds that about a third of an image's candidates pass, at each stage: random networks have scores of any size.
std::array<float, 3> a_third_passes() {
    const NetworkWeights weights = kNetworks.pack();
    Cascade cascade(weights, *available_isas().back().kernels, Algorithm::kDirect);
    const RandomImage image(70, 61, 93);
    CascadeSettings settings;
    settings.min_face_size = 12;
    // The stages after the one in question get nothing to do.
    settings.thresholds = {2.0f, 2.0f, 2.0f};
    const Step steps[3] = {kAfterPNet, kAfterRNet, kAfterONet};
    for (std::size_t i = 0; i < 3; ++i) {
        settings.thresholds[i] = 0.0f;
        settings.thresholds[i] = upper_third(detect(cascade, {image.view()}, settings, 1)[0].trace[steps[i]].scores);
    }
    return settings.thresholds;
}

CascadeSettings many_faces() {
    static const std::array<float, 3> thresholds = a_third_passes();
    CascadeSettings settings;
    settings.min_face_size = 12;
    settings.thresholds = thresholds;
    return settings;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

bool same(const Detections& a, const Detections& b) {
    for (int step = 0; step < kSteps; ++step) {
        if (!same_bits(a.trace[step].boxes, b.trace[step].boxes)) return false;
        if (!same_bits(a.trace[step].scores, b.trace[step].scores)) return false;
    }
    return same_bits(a.boxes, b.boxes) && same_bits(a.scores, b.scores) && same_bits(a.landmarks, b.landmarks);
}

// The thread sanitizer slows the kernels most; data that threads share does not depend on them.
#if defined(__SANITIZE_THREAD__)
constexpr bool kEveryKernel = false;
#else
constexpr bool kEveryKernel = true;
#endif

// Runs test(cascade) with each instruction set and these algorithms.
template <class Test>
void with_cascades(std::initializer_list<Algorithm> algorithms, Test test) {
    const NetworkWeights weights = kNetworks.pack();
    for (const Isa& isa : available_isas()) {
        for (const Algorithm algorithm : algorithms) {
            Cascade cascade(weights, *isa.kernels, algorithm);
            test(cascade);
            if (!kEveryKernel) return;
        }
    }
}

// Runs it with each choice of algorithms. Under an emulator, with the one that users get: direct convolutions take most
// of the minutes there, and test_engine_steps compares them with their definition.
template <class Test>
void with_cascades(Test test) {
#if defined(MTCNN_FAST_EMULATED)
    with_cascades({Algorithm::kFast}, test);
#else
    with_cascades({Algorithm::kFast, Algorithm::kDirect}, test);
#endif
}

// Every remainder of columns and rows by the vectors and tiles, and sizes without a scale.
std::vector<RandomImage> images_of_many_sizes() {
    std::vector<RandomImage> images;
    for (std::int64_t n = 1; n <= 40; n += kEvery)
        images.emplace_back(n < 13 ? n : 12 + n % 5, n, static_cast<std::uint64_t>(n));
    images.emplace_back(206, 14, 91);  // more rows than a tile has
    images.emplace_back(14, 545, 92);  // more columns
    images.emplace_back(70, 61, 93);
    return images;
}

void threads_and_batches_change_nothing() {
    const std::vector<RandomImage> images = images_of_many_sizes();
    std::vector<ImageView> views, reversed;
    for (const RandomImage& image : images) views.push_back(image.view());
    reversed.assign(views.rbegin(), views.rend());
    CascadeSettings settings = many_faces();
    with_cascades([&](Cascade& cascade) {
        settings.border = settings.border == Border::kZero ? Border::kClip : Border::kZero;
        const std::vector<Detections> expected = detect(cascade, views, settings, 1);
        std::size_t faces = 0;
        for (const Detections& found : expected) faces += found.boxes.size();
        CHECK(faces > 3);
        CHECK(expected.front().boxes.empty());
        const std::vector<Detections> found = detect(cascade, reversed, settings, 3);
        CHECK(found.size() == views.size());
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(same(found[i], expected[found.size() - 1 - i]));
        for (std::size_t i = 0; i < views.size(); i += 7) {
            CHECK(same(detect(cascade, {views[i]}, settings, 2)[0], expected[i]));
        }
    });
}

// Also at scales above 1, where bins overlap most, and at small ones, where they are widest.
void only_the_pixels_of_an_image_are_read() {
    for (const double min_face_size : kEvery == 1 ? std::vector{5.0, 12.0, 23.0} : std::vector{9.0}) {
        CascadeSettings settings = many_faces();
        settings.min_face_size = min_face_size;
        with_cascades({Algorithm::kFast, Algorithm::kDirect}, [&](Cascade& cascade) {
            for (const auto& [height, width] : {std::pair{25, 28}, {28, 25}, {24, 83}}) {
                const RandomImage exact(height, width, 5);
                const RandomImage apart(height, width, 5, 37);
                CHECK(same(detect(cascade, {exact.view()}, settings, 1)[0],
                           detect(cascade, {apart.view()}, settings, 2)[0]));
            }
        });
    }
}

void callers_do_not_disturb_one_another() {
    const RandomImage large(47, 41, 1), small(24, 30, 2);
    with_cascades([&](Cascade& cascade) {
        const Detections first = detect(cascade, {large.view()}, many_faces(), 1)[0];
        const Detections second = detect(cascade, {small.view()}, many_faces(), 1)[0];
        CHECK(!first.boxes.empty());
        std::vector<std::thread> callers;
        callers.reserve(4);
        for (int i = 0; i < 4; ++i) {
            callers.emplace_back([&, i] {
                for (int round = 0; round < (kEvery == 1 ? 3 : 1); ++round) {
                    const auto found = detect(cascade, {large.view(), small.view()}, many_faces(), 1 + (i + round) % 3);
                    CHECK(same(found[0], first) && same(found[1], second));
                }
            });
        }
        for (std::thread& caller : callers) caller.join();
    });
}

// An exception in the middle of a run, such as Ctrl-C, leaves a cascade that works.
void a_run_can_be_ended() {
    const RandomImage image(47, 41, 1);
    with_cascades([&](Cascade& cascade) {
        const Detections expected = detect(cascade, {image.view()}, many_faces(), 1)[0];
        for (const int threads : {1, 3}) {
            for (std::int64_t last = 0; last < 40; last += 13 * kEvery) {
                std::atomic<std::int64_t> tasks = 0;
                const Runner runner = [&](std::int64_t n, const Task& task) {
                    ThreadPool::shared().run(n, threads, [&](std::int64_t i, int worker) {
                        if (tasks++ == last) throw std::runtime_error("enough");
                        task(i, worker);
                    });
                };
                bool ended = false;
                try {
                    const std::vector<ImageView> views(20, image.view());
                    cascade.detect(views, many_faces(), runner, threads, false, false);
                } catch (const std::runtime_error&) {
                    ended = true;
                }
                CHECK(ended);
                CHECK(same(detect(cascade, {image.view()}, many_faces(), threads)[0], expected));
            }
        }
    });
}

// The trace and the clock change nothing, and the seconds are those of the run.
void a_profile_changes_nothing() {
    const RandomImage image(47, 41, 1);
    const Runner runner = [&](std::int64_t n, const Task& task) { ThreadPool::shared().run(n, 2, task); };
    with_cascades([&](Cascade& cascade) {
        const std::vector<ImageView> views{image.view(), image.view()};
        const std::vector<Detections> plain = cascade.detect(views, many_faces(), runner, 2, false, false);
        const std::vector<Detections> timed = cascade.detect(views, many_faces(), runner, 2, true, true);
        CHECK(plain[0].trace[kAfterOutput].boxes.empty());
        for (std::size_t i = 0; i < 2; ++i) {
            CHECK(same_bits(plain[i].boxes, timed[i].boxes) && same_bits(plain[i].landmarks, timed[i].landmarks));
            CHECK(timed[i].trace[kAfterOutput].boxes.size() == timed[i].boxes.size());
            for (const Stage stage : {kPyramid, kPNet, kRNetCrop, kRNet, kONetCrop, kONet}) {
                CHECK(timed[i].seconds[stage] > 0 && plain[i].seconds[stage] == 0);
            }
        }
    });
}

template <class Make>
std::string refusal(Make make) {
    try {
        make();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

void what_is_wrong_is_named() {
    RandomNetworks networks(1);
    const std::vector<std::size_t> shape = networks.onet["dense5.weight"].shape;
    networks.onet["dense5.weight"].shape = {256, 1151};
    CHECK(refusal([&] { networks.pack(); }).find("'dense5.weight' has shape (256, 1151), expected (256, 1152)") !=
          std::string::npos);
    networks.onet["dense5.weight"].shape = shape;
    networks.pnet.erase("prelu2.weight");
    CHECK(refusal([&] { networks.pack(); }).find("'prelu2.weight' is missing") != std::string::npos);
    CHECK(refusal([] { select_isa("mmx"); }).find("'mmx'") != std::string::npos);
    for (const Isa& isa : available_isas()) CHECK(select_isa(isa.name).kernels == isa.kernels);
    CHECK(select_isa("").kernels == available_isas().front().kernels);
}

// A description that the kernels cannot run does not compile: no size is taken for another.
constexpr CropStage with_size(CropStage stage, int size) {
    stage.size = size;
    return stage;
}
constexpr CropStage wider(CropStage stage, int numerator, int denominator) {
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        Convolution& layer = stage.convolution[i];
        if (i > 0) layer.inputs = layer.inputs * numerator / denominator;
        layer.outputs = layer.outputs * numerator / denominator;
    }
    stage.hidden = stage.hidden * numerator / denominator;
    return stage;
}
static_assert(!is_runnable(with_size(kRNetStage, 25)) && !is_runnable(with_size(kRNetStage, 48)));
static_assert(!is_runnable(with_size(kONetStage, 24)) && !is_runnable(with_size(kONetStage, 56)));
static_assert(is_runnable(wider(kONetStage, 3, 2)) && is_runnable(wider(kONetStage, 2, 1)));
static_assert(!is_runnable(wider(kONetStage, 9, 8)));

}  // namespace

int main() {
    for (const Isa& isa : available_isas()) std::printf("instruction set: %s\n", isa.name);
    RUN(what_is_wrong_is_named);
    RUN(threads_and_batches_change_nothing);
    RUN(only_the_pixels_of_an_image_are_read);
    RUN(callers_do_not_disturb_one_another);
    RUN(a_run_can_be_ended);
    RUN(a_profile_changes_nothing);
}
