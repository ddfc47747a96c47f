// P-Net in bfloat16: the kernel on emulated tiles, and on AMX where it is, has the bits of plain loops near float32;
// and what P-Net's kernels compute with a filter has the bits that it has without, on every instruction set.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "cpp/engine/aligned.h"
#include "cpp/engine/amx_kernels.h"
#include "cpp/engine/bfloat_network_pack.h"
#include "cpp/engine/cascade.h"
#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "cpp/engine/pnet_bfloat_pack.h"
#include "cpp/engine/pnet_filter.h"
#include "cpp/engine/pyramid_level.h"
#include "cpp/thread_pool.h"
#include "engine_fixture.h"
#include "filtered_cascade.h"
#include "reference_networks.h"
#include "tile_sum.h"

namespace mtcnn_fast::engine {
extern const AmxKernels* const kEmulatedAmx;
}

namespace {

using namespace mtcnn_fast;
using namespace mtcnn_fast::engine;

float rounded(float value) { return to_float(to_bfloat(value)); }

// A level of random pixels, [channel][row][column], and a tile of its cells.
struct RandomLevel {
    int height, width;
    PNetTile tile{};
    std::vector<float> pixels;

    RandomLevel(int level_height, int level_width, std::uint64_t seed)
        : height(level_height), width(level_width), pixels(std::size_t{3} * level_height * level_width) {
        Random random(seed);
        for (float& pixel : pixels) pixel = random.uniform(-1.0f, 1.0f);
        tile.level.height = height;
        tile.level.columns.size = width;
        tile.row_end = (height - 1) / 2 - 4;
        tile.column_end = std::min((width - 1) / 2 - 4, kTileColumns);
    }

    float at(int c, int y, int x) const { return pixels[static_cast<std::size_t>((c * height + y) * width + x)]; }

    // Row y as a tile's kernel has it: six planes, the even and the odd columns of each channel from the tile's first
    // on; 0 behind the level's last.
    void put(int y, float* row) const {
        for (int plane = 0; plane < 6; ++plane)
            for (int i = 0; i < kScaledPlane; ++i) {
                const int x = 2 * (tile.column_begin + i) + plane % 2;
                row[plane * kScaledPlane + i] = x < width ? at(plane / 2, y, x) : 0.0f;
            }
    }
};

// Values of a map: [row][column][channel].
struct Map {
    int rows, columns, channels;
    std::vector<float> values;

    Map(int r, int c, int n) : rows(r), columns(c), channels(n), values(static_cast<std::size_t>(r) * c * n) {}
    float& at(int y, int x, int c) { return values[static_cast<std::size_t>((y * columns + x) * channels + c)]; }
    float at(int y, int x, int c) const { return const_cast<Map*>(this)->at(y, x, c); }
};

// P-Net in plain loops, from the tensors as the weights files have them.
class Reference {
  public:
    explicit Reference(const TensorMap& pnet) : pnet_(pnet) {}

    Map differences(const RandomLevel& level) const {
        const Map last = convolved(3, convolved(2, pooled(level)));
        const float *const weights = pnet_.at("conv4_1.weight").data, *const bias = pnet_.at("conv4_1.bias").data;
        Map out(last.rows, last.columns, 1);
        for (int y = 0; y < last.rows; ++y)
            for (int x = 0; x < last.columns; ++x) {
                float parts[16];
                const auto product = [&](int c) { return last.at(y, x, c) * (weights[32 + c] - weights[c]); };
                for (int c = 0; c < 16; ++c) parts[c] = product(c) + product(c + 16);
                for (int half = 8; half > 0; half /= 2)
                    for (int c = 0; c < half; ++c) parts[c] += parts[c + half];
                out.at(y, x, 0) = parts[0] + (bias[1] - bias[0]);
            }
        return out;
    }

  private:
    float rounded_weight(int layer, int o, int c, int y, int x) const {
        if (y < 0 || y > 2 || x < 0 || x > 2) return 0.0f;
        const Tensor& tensor = pnet_.at("conv" + std::to_string(layer) + ".weight");
        float weights[3][3];
        std::memcpy(weights, tensor.data + 9 * (static_cast<std::size_t>(o) * tensor.shape[1] + c), sizeof weights);
        std::uint16_t found[3][3];
        round_kernel(weights, found);
        return to_float(found[y][x]);
    }

    float activated(int layer, int o, float sum) const {
        return sum > 0.0f ? sum : sum * pnet_.at("prelu" + std::to_string(layer) + ".weight").data[o];
    }

    Map pooled(const RandomLevel& level) const {
        Map out((level.height - 1) / 2, (level.width - 1) / 2, 10);
        for (int o = 0; o < 10; ++o)
            for (int y = 0; y < level.height - 2; ++y)
                for (int x = 0; x < level.width - 2; ++x) {
                    float sum = pnet_.at("conv1.bias").data[o];
                    const int top = y / 2 * 2, left = x / 2 * 2;
                    for (int s = 0; s < 2; ++s) {
                        // Number k of a row of a tile: two neighbours of (row, channel) of a pair of columns.
                        const auto row = [&](int k) { return top + 2 * s + k % 12 / 2 / 3; };
                        const auto column = [&](int k) { return left + k / 12 * 2 + k % 2; };
                        const auto channel = [&](int k) { return k % 12 / 2 % 3; };
                        sum = tile_sum(
                            sum, 24,
                            [&](int k) {
                                const bool inside = row(k) < level.height && column(k) < level.width;
                                return inside ? rounded(level.at(channel(k), row(k), column(k))) : 0.0f;
                            },
                            [&](int k) { return rounded_weight(1, o, channel(k), row(k) - y, column(k) - x); });
                    }
                    float& best = out.at(y / 2, x / 2, o);
                    const float value = activated(1, o, sum);
                    best = y % 2 + x % 2 == 0 ? value : std::max(best, value);
                }
        return out;
    }

    Map convolved(int layer, const Map& in) const {
        const int outputs = layer == 2 ? 16 : 32;
        Map out(in.rows - 2, in.columns - 2, outputs);
        for (int y = 0; y < out.rows; ++y)
            for (int x = 0; x < out.columns; ++x)
                for (int o = 0; o < outputs; ++o) {
                    float sum = pnet_.at("conv" + std::to_string(layer) + ".bias").data[o];
                    for (int s = 0; s < 3; ++s)
                        for (int begin = 0; begin < 3 * in.channels; begin += 32) {
                            sum = tile_sum(
                                sum, std::min(32, 3 * in.channels - begin),
                                [&](int k) {
                                    return rounded(
                                        in.at(y + s, x + (begin + k) / in.channels, (begin + k) % in.channels));
                                },
                                [&](int k) {
                                    return weight(layer, o, (begin + k) % in.channels, s, (begin + k) / in.channels);
                                });
                        }
                    out.at(y, x, o) = activated(layer, o, sum);
                }
        return out;
    }

    // rounded_weight, once for each.
    float weight(int layer, int o, int c, int y, int x) const {
        std::vector<float>& known = known_[layer];
        if (known.empty()) {
            known.resize(std::size_t{32} * 16 * 9);
            const std::vector<std::size_t>& shape = pnet_.at("conv" + std::to_string(layer) + ".weight").shape;
            for (int i = 0; std::cmp_less(i, shape[0]); ++i)
                for (int k = 0; std::cmp_less(k, shape[1]); ++k)
                    for (int t = 0; t < 9; ++t) {
                        known[static_cast<std::size_t>((i * 16 + k) * 9 + t)] =
                            rounded_weight(layer, i, k, t / 3, t % 3);
                    }
        }
        return known[static_cast<std::size_t>((o * 16 + c) * 9 + 3 * y + x)];
    }

    const TensorMap& pnet_;
    mutable std::map<int, std::vector<float>> known_;
};

std::vector<const PNetBfloatKernel*> kernels() {
    std::vector<const PNetBfloatKernel*> found{&kEmulatedAmx->pnet};
    if (pnet_bfloat_kernel() != nullptr) found.push_back(pnet_bfloat_kernel());
    std::printf("  AMX: %s\n", found.size() > 1 ? "run" : "skipped: not on this processor");
    return found;
}

// The kernel's memory, as a worker keeps it.
struct Memory {
    explicit Memory(const PNetBfloatKernel& kernel) : rows(kRoughRing * kScaledFloats), bytes(kernel.scratch) {}
    AlignedFloats rows;
    AlignedBytes bytes;
};

// The kernel's differences of a tile, from exactly the rows that it is promised.
Map kernel_differences(const PNetBfloatKernel& kernel, const PNetBfloatWeights& weights, const RandomLevel& level,
                       Memory& memory) {
    const PNetTile& tile = level.tile;
    Map out(tile.row_end - tile.row_begin, tile.column_end - tile.column_begin, 1);
    std::vector<float> found(std::size_t{4} * kRoughColumns);
    int next = 2 * tile.row_begin;
    for (int row = tile.row_begin; row < tile.row_end; row += 4) {
        for (; next <= std::min(2 * row + 17, level.height - 1); ++next) {
            level.put(next, memory.rows.data() + static_cast<std::size_t>(next % kRoughRing) * kScaledFloats);
        }
        kernel.run(weights, {tile, memory.rows.data()}, row, memory.bytes.data(), found.data());
        for (int y = row; y < std::min(row + 4, tile.row_end); ++y)
            for (int x = 0; x < out.columns; ++x) {
                out.at(y - tile.row_begin, x, 0) = found[static_cast<std::size_t>((y - row) * kRoughColumns + x)];
            }
    }
    return out;
}

void what_rounding_leaves_goes_to_the_next_weight() {
    // Of 1 + 3 / 512 and its successors, 8 bits hold steps of 1 / 128.
    const float weights[3][3] = {{1 + 3.0f / 512, 0.0f, 1.0f}, {-1.0f, 2.0f, -0.25f}, {0.5f, 0.0f, 0.0f}};
    std::uint16_t found[3][3];
    round_kernel(weights, found);
    CHECK(to_float(found[0][0]) == 1 + 1.0f / 128);
    CHECK(to_float(found[0][1]) == -1.0f / 512);
    CHECK(to_float(found[0][2]) == 1.0f);
    Random random(4);
    for (int round = 0; round < 100; ++round) {
        float kernel[3][3], sum = 0.0f;
        for (auto& row : kernel)
            for (float& weight : row) weight = random.uniform(-2.0f, 2.0f);
        round_kernel(kernel, found);
        for (int i = 0; i < 9; ++i) sum += kernel[i / 3][i % 3] - to_float(found[i / 3][i % 3]);
        CHECK(std::abs(sum) <= std::abs(to_float(found[2][2])) / 256 + 1e-6f);
    }
}

void every_kernel_has_the_bits_of_plain_loops() {
    const RandomNetworks networks(5);
    const NetworkWeights weights = networks.pack();
    const PNetBfloat network(weights.pnet());
    const Reference reference(networks.pnet);
    for (const PNetBfloatKernel* const kernel : kernels()) {
        // What earlier tiles left does not matter.
        Memory memory(*kernel);
        for (const auto& [height, width] : {std::pair{61, 90}, {12, 12}, {13, 14}, {40, 79}, {27, 33}, {14, 13}}) {
            RandomLevel level(height, width, 7);
            const Map expected = reference.differences(level);
            CHECK(expected.at(0, 0, 0) != 0.0f && expected.rows == level.tile.row_end);
            const auto check = [&](int row_begin, int row_end, int column_begin, int column_end) {
                level.tile.row_begin = row_begin;
                level.tile.row_end = row_end;
                level.tile.column_begin = column_begin;
                level.tile.column_end = column_end;
                const Map found = kernel_differences(*kernel, network.weights(), level, memory);
                for (int y = row_begin; y < row_end; ++y)
                    for (int x = column_begin; x < column_end; ++x) {
                        const float a = found.at(y - row_begin, x - column_begin, 0), b = expected.at(y, x, 0);
                        CHECK(std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b));
                    }
            };
            check(0, expected.rows, 0, expected.columns);
            if (expected.rows > 8 && expected.columns > 12) {
                check(8, expected.rows, 12, expected.columns);
                check(4, 7, 8, 11);
            }
        }
    }
}

void it_is_near_float32() {
    double worst = 0.0, size = 0.0;
    for (std::uint64_t seed = 20; seed < 24; ++seed) {
        const RandomNetworks networks(seed);
        const NetworkWeights weights = networks.pack();
        const PNetBfloat network(weights.pnet());
        RandomLevel level(40, 47, seed);
        const auto height = static_cast<std::size_t>(level.height), width = static_cast<std::size_t>(level.width);
        const reference::Output exact =
            reference::pnet(networks.pnet, reference::planes(level.pixels.data(), height, width));
        for (const PNetBfloatKernel* const kernel : kernels()) {
            Memory memory(*kernel);
            const Map found = kernel_differences(*kernel, network.weights(), level, memory);
            for (std::size_t y = 0; std::cmp_less(y, found.rows); ++y)
                for (std::size_t x = 0; std::cmp_less(x, found.columns); ++x) {
                    const double expected = exact.logits.at(1, y, x) - exact.logits.at(0, y, x);
                    const double rough = found.at(static_cast<int>(y), static_cast<int>(x), 0);
                    worst = std::max(worst, std::abs(rough - expected));
                    size = std::max(size, std::abs(expected));
                }
        }
    }
    std::printf("  differences of up to %.3f are off by at most %.4f\n", size, worst);
    // Each of three layers and its inputs are rounded to 8 bits, errors of 2^-9 that partly cancel.
    CHECK(worst > 0.0 && worst < 3 * 2 * size / 512);
}

// A filter by chance: a block is wanted or not as its place says.
struct Chance {
    std::uint64_t seed;
    double wanted;
    const PNetTile* tile;
    std::vector<float> planes;  // of the level, [row][6][kScaledPlane] from the tile's first column on

    bool wants(int row, int column) const {
        Random random(seed + static_cast<std::uint64_t>(row / 4) * 1000 + static_cast<std::uint64_t>(column / 4));
        return static_cast<double>(random.uniform(0.0f, 1.0f)) < wanted;
    }
};

const Chance* chance = nullptr;

void score_by_chance(const PNetBfloatWeights& weights, const RoughTile& rough, int row, std::uint8_t* scratch,
                     float* differences) {
    CHECK(&rough.tile == chance->tile && scratch == nullptr && weights.difference == nullptr);
    for (int y = row; y < row + 4; ++y)
        for (int x = 0; x < kRoughColumns; ++x) {
            // One cell is enough; those beyond the tile do not count, and no number is not below.
            const int column = rough.tile.column_begin + x;
            const bool beyond = y >= rough.tile.row_end || column >= rough.tile.column_end;
            const bool only = y == row && column % 4 == 0;
            const float wanted = (row / 4 + column / 4) % 2 == 0 ? 1.0f : NAN;
            differences[(y - row) * kRoughColumns + x] =
                beyond || (only && chance->wants(row, column)) ? wanted : -1.0f;
        }
}

constexpr PNetBfloatKernel kByChance{0, score_by_chance};

std::vector<Cell> cells_of(const Isa& isa, const NetworkWeights& weights, const PNetTile& tile,
                           const AlignedFloats& scratch, std::int64_t width) {
    std::vector<Cell> cells(std::size_t{kTileRows} * kTileColumns);
    std::vector<std::uint32_t> sums(row_of_sums(width));
    const int n =
        isa.kernels->pnet_tile(tile, weights.pnet(), Algorithm::kFast, scratch.data(), sums.data(), cells.data());
    cells.resize(static_cast<std::size_t>(n));
    return cells;
}

void blocks_do_not_depend_on_those_beside_them() {
    const RandomNetworks networks(8);
    const NetworkWeights weights = networks.pack();
    const AlignedFloats rows(kRoughRing * kScaledFloats);
    const PNetBfloatWeights none{};
    std::size_t some = 0;
    for (const Isa& isa : available_isas()) {
        const AlignedFloats scratch(isa.kernels->pnet_scratch);
        std::uint64_t seed = 0;
        for (const auto& [height, width] :
             {std::pair{231, 541}, {60, 93}, {12, 12}, {13, 30}, {47, 14}, {90, 90}, {101, 67}}) {
            const RandomImage image(height, width, ++seed);
            const PyramidLevel level(image.view(), seed % 2 == 0 ? 0.77 : 1.0);
            for (const int begin : {0, 4}) {
                if (begin >= level.rows || begin >= level.columns) continue;
                PNetTile tile{};
                tile.level = level.resampling(image.view());
                tile.row_begin = tile.column_begin = begin;
                tile.row_end = std::min(level.rows, begin + kTileRows);
                tile.column_end = std::min(level.columns, begin + kTileColumns);
                tile.logit_floor = -1e9f;
                const std::vector<Cell> all = cells_of(isa, weights, tile, scratch, width);
                CHECK(std::cmp_equal(all.size(), (tile.row_end - begin) * (tile.column_end - begin)));
                for (const double wanted : {0.0, 0.02, 0.3, 0.9, 1.0}) {
                    const Chance by{++seed, wanted, &tile, {}};
                    chance = &by;
                    const PNetFilter filter{kByChance, none, 0.0f, rows.data(), nullptr};
                    tile.filter = &filter;
                    const std::vector<Cell> found = cells_of(isa, weights, tile, scratch, width);
                    tile.filter = nullptr;
                    std::vector<Cell> expected;
                    for (const Cell& cell : all) {
                        const int row = (cell.row - begin) / 4 * 4 + begin, column = cell.column / 4 * 4;
                        if (by.wants(row, column)) expected.push_back(cell);
                    }
                    CHECK(found.size() == expected.size());
                    CHECK(found.empty() ||
                          std::memcmp(found.data(), expected.data(), found.size() * sizeof(Cell)) == 0);
                    some += !found.empty() && found.size() < all.size() ? 1 : 0;
                }
            }
        }
    }
    CHECK(some > 20);
}

void the_cascade_keeps_what_the_margin_keeps() {
    const RandomNetworks networks(7);
    const NetworkWeights weights = networks.pack();
    const PNetBfloat network(weights.pnet());
    const RandomImage image(60, 71, 1), other(24, 30, 2);
    const std::vector<ImageView> views{image.view(), other.view(), image.view()};
    CascadeSettings settings;
    settings.min_face_size = 12;
    settings.thresholds = {0.6f, 0.2f, 0.0f};
    for (const PNetBfloatKernel* const kernel : kernels()) {
        for (const Isa& isa : available_isas()) {
            const auto detect = [&](const RoughPNet& rough, int threads) {
                Cascade cascade(weights, *isa.kernels, Algorithm::kFast, {}, rough);
                const Runner runner = [&](std::int64_t n, const Task& task) {
                    ThreadPool::shared().run(n, threads, task);
                };
                return cascade.detect(views, settings, runner, threads, false, true);
            };
            const auto with = [&](float margin, int threads) {
                return detect({kernel, &network.weights(), margin}, threads);
            };
            const auto expected = detect({}, 1);
            CHECK(!expected[0].boxes.empty());
            for (const int threads : {1, 3}) {
                const auto all = with(1e9f, threads), near = with(0.5f, threads), none = with(-1e9f, threads);
                for (std::size_t i = 0; i < views.size(); ++i) {
                    CHECK(same(all[i], expected[i]) && same(near[i], expected[i]));
                    CHECK(none[i].boxes.empty());
                }
                CHECK(same(with(-0.5f, threads)[0], with(-0.5f, 2)[2]));
            }
        }
    }
}

}  // namespace

int main() {
    RUN(what_rounding_leaves_goes_to_the_next_weight);
    RUN(every_kernel_has_the_bits_of_plain_loops);
    RUN(it_is_near_float32);
    RUN(blocks_do_not_depend_on_those_beside_them);
    RUN(the_cascade_keeps_what_the_margin_keeps);
}
