// Levels resampled from one reading of the image, against the same levels resampled one by one: bit for bit, on every
// instruction set.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "check.h"
#include "common/crop_window.h"
#include "cpp/engine/area_columns.h"
#include "cpp/engine/coarse_levels.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/pyramid_level.h"
#include "cpp/image_view.h"

namespace {

using namespace mtcnn_fast;
using engine::CoarseLevel;
using engine::KernelTable;
using engine::LevelPlanes;
using engine::Resampling;

std::mt19937 random_engine(20160826);

std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_engine);
}

// An image whose rows may lie apart, and whose buffer ends with its last pixel, so that reading past it is seen.
struct Image {
    Image(std::int64_t height, std::int64_t width, std::int64_t gap, bool white = false)
        : bytes(static_cast<std::size_t>((height - 1) * (3 * width + gap) + 3 * width), 255),
          view{nullptr, static_cast<std::ptrdiff_t>(3 * width + gap), height, width} {
        if (!white) {
            for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_engine() >> 24);
        }
        view.data = bytes.data();
    }

    std::vector<std::uint8_t> bytes;
    ImageView view;
};

struct Level {
    Level(const ImageView& image, std::int64_t level_height, std::int64_t level_width)
        : height(static_cast<std::int32_t>(level_height)),
          width(static_cast<std::int32_t>(level_width)),
          plane((width + 7) / 8 * 4) {
        bins.assign(whole_span(image.width), width);
        split.assign(static_cast<std::size_t>(6 * plane * height), -9.0f);
    }

    Resampling resampling(const ImageView& image) const {
        return {image, whole_window(image.height, image.width), bins.bins(), height};
    }

    // A pixel of the planes.
    float at(std::int64_t y, std::int64_t x, std::int64_t channel) const {
        return split[static_cast<std::size_t>((6 * y + 2 * channel + x % 2) * plane + x / 2)];
    }

    std::int32_t height;
    std::int32_t width;
    std::ptrdiff_t plane;
    engine::AreaColumns bins;
    std::vector<float> split;
};

void check_level(const KernelTable& kernels, const ImageView& image, const Level& level) {
    const std::ptrdiff_t size = std::ptrdiff_t{level.height} * level.width;
    std::vector<float> expected(static_cast<std::size_t>(3 * size));
    std::vector<std::uint32_t> sums(engine::row_of_sums(image.width));
    kernels.resample_to_planes(level.resampling(image), 0, level.height, sums.data(),
                               {expected.data(), size, level.width});
    for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < level.height; ++y)
            for (std::int64_t x = 0; x < level.width; ++x) {
                const float found = level.at(y, x, c);
                const float wanted = expected[static_cast<std::size_t>(c * size + y * level.width + x)];
                CHECK(std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(wanted));
            }
}

// All levels together, in bands of rows that end at random.
void check_levels(const ImageView& image, std::vector<Level>& levels) {
    for (const engine::Isa& isa : engine::available_isas()) {
        std::vector<std::uint16_t> memory(engine::coarse_memory(image.width), 4711);
        std::vector<std::int64_t> done(levels.size(), 0);
        for (bool last = false; !last;) {
            last = integer(0, 2) == 0;
            std::vector<CoarseLevel> band;
            for (std::size_t i = 0; i < levels.size(); ++i) {
                Level& level = levels[i];
                const std::int64_t end = last ? level.height : integer(done[i], level.height);
                band.push_back({level.resampling(image), LevelPlanes{level.split.data(), level.plane}, done[i], end});
                done[i] = end;
            }
            isa.kernels->resample_levels(band.data(), static_cast<int>(band.size()), memory.data());
        }
        for (Level& level : levels) {
            check_level(*isa.kernels, image, level);
            std::fill(level.split.begin(), level.split.end(), -9.0f);
        }
    }
}

void levels_are_those_resampled_one_by_one() {
    for (int i = 0; i < 40; ++i) {
        const Image image(integer(24, 500), integer(12, 400), integer(0, 1) * integer(1, 40));
        const std::int64_t count = integer(1, engine::kCoarseTogether);
        std::vector<Level> levels;
        for (std::int64_t k = 0; k < count; ++k) {
            const std::int64_t least = std::max<std::int64_t>(1, image.view.height / 200);
            levels.emplace_back(image.view, integer(least, image.view.height / 2), integer(1, image.view.width));
        }
        check_levels(image.view, levels);
    }
}

// Sums over 255 to 257 rows of white pixels are the largest of 16 bits; running sums wrap around many times.
void bins_as_tall_as_16_bits_allow() {
    for (const std::int64_t height : {3060, 3071, 3072}) {
        const Image image(height, 31, 0, true);
        std::vector<Level> levels;
        for (const std::int64_t rows : {12, 13, 100}) levels.emplace_back(image.view, rows, 12);
        check_levels(image.view, levels);
    }
}

// How often the tasks of an image take each row of each level.
std::vector<std::vector<int>> rows_taken(const engine::CoarseLevels& coarse, const ImageView& image,
                                         const std::vector<engine::PyramidLevel>& levels) {
    std::vector<std::vector<int>> taken;
    taken.reserve(levels.size());
    for (const engine::PyramidLevel& level : levels) taken.emplace_back(static_cast<std::size_t>(level.height), 0);
    for (std::int32_t task = 0; task < coarse.tasks(); ++task) {
        CoarseLevel of_task[engine::kCoarseTogether];
        const int n = coarse.of_task(image, levels, task, of_task);
        for (int k = 0; k < n; ++k) {
            const auto level = std::find_if(levels.begin(), levels.end(), [&](const engine::PyramidLevel& candidate) {
                return candidate.planes.data == of_task[k].planes.data;
            });
            for (std::int64_t row = of_task[k].row_begin; row < of_task[k].row_end; ++row) {
                ++taken[static_cast<std::size_t>(level - levels.begin())][static_cast<std::size_t>(row)];
            }
        }
    }
    return taken;
}

// The levels that are chosen, cut into bands and groups; tall bins are left out.
void every_row_of_a_coarse_level_is_in_one_task() {
    const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{{700, 600}, {4000, 300}, {2160, 3840}};
    for (const auto& [height, width] : sizes) {
        for (const double factor : {0.709, 0.93}) {
            for (const std::int64_t bands : {1, 2, 5, 64}) {
                const ImageView image{nullptr, static_cast<std::ptrdiff_t>(width * 3), height, width};
                std::vector<engine::PyramidLevel> levels;
                const auto shorter = static_cast<double>(std::min(height, width));
                // NOLINTNEXTLINE(bugprone-float-loop-counter): the scales are products, as in the cascade.
                for (double s = 0.6; shorter * s >= 12; s *= factor) levels.emplace_back(image, s);
                engine::CoarseLevels coarse;
                std::size_t budget = engine::kCoarseBytes;
                coarse.assign(image, levels, bands, budget);
                const std::vector<std::vector<int>> taken = rows_taken(coarse, image, levels);
                int chosen = 0;
                for (std::size_t i = 0; i < levels.size(); ++i) {
                    const int expected = levels[i].planes.data != nullptr ? 1 : 0;
                    chosen += expected;
                    for (const int times : taken[i]) CHECK(times == expected);
                    if (height / levels[i].height >= 257) CHECK(expected == 0);
                }
                CHECK(chosen >= 3);
            }
        }
    }
}

void small_images_and_spent_budgets_have_none() {
    const std::vector<std::pair<std::int64_t, std::size_t>> cases{{500, engine::kCoarseBytes}, {700, 100}};
    for (const auto& [side, left] : cases) {
        const ImageView image{nullptr, static_cast<std::ptrdiff_t>(side * 3), side, side};
        std::vector<engine::PyramidLevel> levels;
        levels.emplace_back(image, 0.1);
        engine::CoarseLevels coarse;
        std::size_t budget = left;
        coarse.assign(image, levels, 2, budget);
        CHECK(coarse.tasks() == 0 && budget == left && levels[0].planes.data == nullptr);
    }
}

}  // namespace

int main() {
    RUN(levels_are_those_resampled_one_by_one);
    RUN(bins_as_tall_as_16_bits_allow);
    RUN(every_row_of_a_coarse_level_is_in_one_task);
    RUN(small_images_and_spent_budgets_have_none);
}
