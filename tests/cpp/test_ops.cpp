// The operations against their definitions, on inputs that reach every code path; built under the address and
// undefined-behaviour sanitizers in CI. Equality with numpy is tested from Python.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "common/boxes.h"
#include "common/crop_window.h"
#include "common/overlap.h"
#include "common/resample.h"
#include "cpp/crop.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/nms.h"
#include "cpp/resize.h"

namespace {

using namespace mtcnn_fast;

std::mt19937 random_engine(20160826);

std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_engine);
}
float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_engine); }

// An image whose buffer ends with its last pixel, so that reading past it is seen.
struct Image {
    Image(std::int64_t height, std::int64_t width)
        : bytes(height * width * 3), view{nullptr, width * 3, height, width} {
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(integer(0, 255));
        view.data = bytes.data();
    }
    // A pixel, 0 outside.
    std::uint64_t at(std::int64_t y, std::int64_t x, int c) const {
        const bool inside = y >= 0 && x >= 0 && y < view.height && x < view.width;
        return inside ? bytes[(y * view.width + x) * 3 + c] : 0;
    }

    std::vector<std::uint8_t> bytes;
    ImageView view;
};

// The definition, pixel by pixel.
std::vector<float> resample(const Image& image, const CropWindow& window, std::int64_t height, std::int64_t width) {
    std::vector<float> out;
    for (int c = 0; c < 3; ++c) {
        for (std::int64_t i = 0; i < height; ++i) {
            for (std::int64_t j = 0; j < width; ++j) {
                const Bin rows = area_bin(i, window.y.size(), height);
                const Bin columns = area_bin(j, window.x.size(), width);
                std::uint64_t sum = 0;
                for (std::int64_t y = rows.begin; y < rows.end; ++y) {
                    for (std::int64_t x = columns.begin; x < columns.end; ++x) {
                        sum += image.at(window.y.begin + y, window.x.begin + x, c);
                    }
                }
                out.push_back(normalise_sum(sum, inverse_area(rows.size() * columns.size())));
            }
        }
    }
    return out;
}

// On every instruction set.
void check_resize(std::int64_t in_height, std::int64_t in_width, std::int32_t height, std::int32_t width) {
    const Image image(in_height, in_width);
    const auto expected = resample(image, whole_window(in_height, in_width), height, width);
    for (const engine::Isa& isa : engine::available_isas()) {
        std::vector<float> out(expected.size());
        resize_pyramid(image.view, {{height, width, {out.data(), std::ptrdiff_t{height} * width, width}}}, *isa.kernels,
                       1 + static_cast<int>(integer(0, 2)));
        CHECK(out == expected);
    }
}

void bins_are_walked_in_order() {
    for (int i = 0; i < 300; ++i) {
        const std::int64_t n_in = integer(1, i % 3 == 0 ? std::int64_t{1} << 30 : 200), n_out = integer(1, 90);
        const std::int64_t first = integer(0, n_out - 1);
        BinWalk walk(n_in, n_out, first);
        for (std::int64_t k = first; k < n_out; ++k) {
            const Bin bin = walk.next(), expected = area_bin(k, n_in, n_out);
            CHECK(bin.begin == expected.begin && bin.end == expected.end);
        }
    }
}

void resizes_like_the_definition() {
    for (int i = 0; i < 200; ++i) {
        check_resize(integer(1, 80), integer(1, 80), static_cast<std::int32_t>(integer(1, 90)),
                     static_cast<std::int32_t>(integer(1, 90)));
    }
    check_resize(257, 2, 1, 1);  // the last height that 16 bits hold
    check_resize(258, 2, 1, 1);  // and the first that they do not
    check_resize(600, 40, 2, 3);
    check_resize(3000, 3000, 1, 1);  // a sum beyond 31 bits
    check_resize(4105, 4105, 1, 1);  // an area whose sum may be beyond 32 bits
    check_resize(33, 620000, 1, 1);
    check_resize(2, 40, 2, 40);
    check_resize(1, 1, 7, 5);
}

void crops_like_the_definition() {
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CropScratch scratch;
    for (int i = 0; i < 300; ++i) {
        const Image image(integer(1, 40), integer(1, 40));
        const float x = real(-30, 50);
        const float y = real(-30, 50);
        const Box box{x, y, x + real(-3, 60), y + real(-3, 60)};
        const auto size = static_cast<std::int32_t>(integer(1, 30));
        for (const Border border : {Border::kZero, Border::kClip}) {
            const CropWindow window = crop_window(box, image.view.height, image.view.width, border);
            const std::vector<float> expected =
                window.valid() ? resample(image, window, size, size) : std::vector<float>(3 * size * size, 0.0f);
            for (const engine::Isa& isa : engine::available_isas()) {
                std::vector<float> out(expected.size(), nan);
                CHECK(crop_pad_resize(image.view, box, size, border, *isa.kernels, out.data(), scratch) ==
                      window.valid());
                CHECK(out == expected);
            }
        }
    }
    const Image image(5, 6);
    const engine::KernelTable& kernels = *engine::available_isas().front().kernels;
    float out[3];
    for (const Box& box : {Box{nan, 1, 2, 3}, Box{1, 1, inf, 3}, Box{-inf, 1, 2, 3}, Box{7, 1, 9, 3}, Box{3, 1, 2, 3},
                           Box{1e30f, 1e30f, 1e38f, 1e38f}, Box{-9, 1, 0.9f, 3}}) {
        CHECK(!crop_pad_resize(image.view, box, 1, Border::kZero, kernels, out, scratch));
    }
    // Nearly all of it is outside: the mean is black.
    CHECK(crop_pad_resize(image.view, Box{-1e30f, -1e30f, 1e30f, 1e30f}, 1, Border::kZero, kernels, out, scratch));
    CHECK(out[0] == -0.99609375f && out[1] == out[0] && out[2] == out[0]);
}

// Greedy suppression, comparing all pairs.
std::vector<std::int32_t> suppress(const std::vector<Box>& boxes, const std::vector<float>& scores,
                                   const std::vector<std::int64_t>& segments, float threshold, Overlap mode) {
    std::vector<std::int32_t> order;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        if (!std::isnan(scores[i])) order.push_back(static_cast<std::int32_t>(i));
    }
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return segments[a] != segments[b] ? segments[a] < segments[b] : scores[a] > scores[b];
    });
    std::vector<std::int32_t> keep;
    for (const std::int32_t i : order) {
        const bool dropped = std::any_of(keep.begin(), keep.end(), [&](std::int32_t k) {
            return segments[k] == segments[i] &&
                   overlaps(boxes[k], box_area(boxes[k], mode), boxes[i], box_area(boxes[i], mode), threshold, mode);
        });
        if (!dropped) keep.push_back(i);
    }
    return keep;
}

void suppresses_like_the_definition() {
    NmsScratch scratch;
    const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e38f, 1e30f,
                         1e-30f};
    for (int i = 0; i < 2000; ++i) {
        const std::int64_t n = integer(0, i % 10 == 0 ? 1500 : 60);
        const float spread = std::pow(10.0f, real(-3, 9));
        const float size = spread * std::pow(10.0f, real(-3, 1));
        std::vector<Box> boxes;
        std::vector<float> scores;
        std::vector<std::int64_t> segments;
        for (std::int64_t k = 0; k < n; ++k) {
            const float x = real(0, spread);
            const float y = real(0, spread);
            const float side = size * std::pow(real(0, 1), 3.0f);
            Box box{x, y, x + side, y + (i % 3 == 0 ? size * real(-0.2f, 1) : side)};
            if (i % 4 == 0) box = {std::floor(box.x1), std::floor(box.y1), std::floor(box.x2), std::floor(box.y2)};
            if (i % 5 == 0 && k % 10 == 0) (&box.x1)[integer(0, 3)] = odd[integer(0, 4)];
            boxes.push_back(box);
            scores.push_back(i % 2 == 0 ? static_cast<float>(integer(-2, 2)) * 0.5f : real(0, 1));
            if (i % 6 == 0 && k % 7 == 0) scores.back() = odd[integer(0, 2)];
            segments.push_back(i % 7 == 0 ? integer(-1, 2) : 5);
        }
        const float thresholds[] = {0.0f, 1e-12f, 0.3f, 0.5f, 0.7f, 0.99f, 1.0f};
        const float threshold = thresholds[integer(0, 6)];
        for (const Overlap mode : {Overlap::kIou, Overlap::kIoMin}) {
            std::vector<std::int32_t> keep;
            batched_nms(boxes.data(), scores.data(), segments.data(), static_cast<std::int32_t>(n), threshold, mode,
                        keep, scratch);
            CHECK(keep == suppress(boxes, scores, segments, threshold, mode));
        }
    }
}

void appends_to_what_was_kept() {
    const Box boxes[] = {{0, 0, 10, 10}, {1, 1, 11, 11}, {40, 40, 50, 50}};
    const float scores[] = {0.5f, 0.75f, 0.25f};
    NmsScratch scratch;
    std::vector<std::int32_t> keep{7};
    nms(boxes, scores, 3, 0.5f, Overlap::kIou, keep, scratch);
    CHECK((keep == std::vector<std::int32_t>{7, 1, 2}));
}

}  // namespace

int main() {
    RUN(bins_are_walked_in_order);
    RUN(resizes_like_the_definition);
    RUN(crops_like_the_definition);
    RUN(suppresses_like_the_definition);
    RUN(appends_to_what_was_kept);
}
