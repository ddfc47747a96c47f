// R-Net and O-Net in bfloat16: emulated tiles have the bits of Intel's definition, the kernels on them, and on AMX
// where it is, those of plain loops near float32; and the cascade with them as filters.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "cpp/engine/aligned.h"
#include "cpp/engine/amx_kernels.h"
#include "cpp/engine/bfloat_network.h"
#include "cpp/engine/bfloat_network_pack.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/network_weights.h"
#include "engine_fixture.h"
#include "filtered_cascade.h"
#include "tile_sum.h"
#define MF_ISA isa_of_this_test
#include "emulated_tiles.h"

namespace mtcnn_fast::engine {
extern const AmxKernels* const kEmulatedAmx;
}

namespace {

using namespace mtcnn_fast;
using namespace mtcnn_fast::engine;

void rounds_to_nearest_and_ties_to_even() {
    const auto is = [](std::uint32_t bits, std::uint16_t expected) {
        CHECK(to_bfloat(std::bit_cast<float>(bits)) == expected);
        CHECK(to_bfloat(std::bit_cast<float>(bits | 0x80000000u)) == (expected | 0x8000u));
    };
    is(0x00000000, 0x0000);
    is(0x3f800000, 0x3f80);
    is(0x3f807fff, 0x3f80);
    is(0x3f808000, 0x3f80);
    is(0x3f808001, 0x3f81);
    is(0x3f818000, 0x3f82);
    is(0x3fffffff, 0x4000);
    is(0x7f7fffff, 0x7f80);
    is(0x7f800000, 0x7f80);
}

// Numbers of all sizes: also those whose products and sums are too small to be normal.
std::uint16_t any_bfloat(Random& random) {
    const std::uint64_t bits = random.bits();
    const int most = bits >> 40 & 1 ? 8 : 130;
    const auto exponent = static_cast<std::uint64_t>((bits >> 20) % static_cast<std::uint64_t>(most));
    return static_cast<std::uint16_t>((bits & 0x807fu) | exponent << 7);
}

void emulated_tiles_have_the_bits_of_the_definition() {
    Random random(1);
    for (int round = 0; round < 40; ++round) {
        std::uint16_t a[16][32], b[16][16][2];
        float sums[16][16], found[16][16];
        for (int i = 0; i < 16; ++i)
            for (int k = 0; k < 32; ++k) a[i][k] = any_bfloat(random);
        for (auto& pairs : b)
            for (auto& pair : pairs)
                for (std::uint16_t& number : pair) number = any_bfloat(random);
        for (auto& row : sums)
            for (float& sum : row) sum = to_float(any_bfloat(random)) * 1.0000001f;
        Tiles tiles;
        tiles.load<2>(sums, 64);
        tiles.load<5>(a, 64);
        tiles.load<6>(b, 64);
        tiles.multiply_add<2, 5, 6>();
        tiles.store<2>(found, 64);
        tiles.release();
        for (int i = 0; i < 16; ++i)
            for (int o = 0; o < 16; ++o) {
                const float expected = tile_sum(
                    sums[i][o], 32, [&](int k) { return to_float(a[i][k]); },
                    [&](int k) { return to_float(b[k / 2][o][k % 2]); });
                CHECK(std::bit_cast<std::uint32_t>(found[i][o]) == std::bit_cast<std::uint32_t>(expected));
            }
    }
}

// A map of pixels of interleaved channels.
struct Map {
    int side;
    int channels;
    std::vector<float> at;
};

// A network to test, with what it has in each of the sources.
struct Network {
    const char* name;
    const CropStage& stage;
    BfloatKernel BfloatKernels::* rough;
    CropKernel KernelTable::* exact;
    const CropNetWeights& (NetworkWeights::*weights)() const;
    TensorMap RandomNetworks::* tensors;

    std::size_t crop() const { return std::size_t{3} * static_cast<std::size_t>(stage.size * stage.size); }
};

const Network kNetworks[] = {
    {"R-Net", kRNetStage, &BfloatKernels::rnet, &KernelTable::rnet, &NetworkWeights::rnet, &RandomNetworks::rnet},
    {"O-Net", kONetStage, &BfloatKernels::onet, &KernelTable::onet, &NetworkWeights::onet, &RandomNetworks::onet}};

// A network in plain loops, from the tensors as the weights files have them.
class Reference {
  public:
    Reference(const CropStage& stage, const TensorMap& tensors)
        : stage_(stage), shapes_(bfloat_shapes(stage)), tensors_(tensors) {}

    float difference(const float* crop) const {
        Map map{stage_.size, 3, {crop, crop + std::size_t{3} * static_cast<std::size_t>(stage_.size * stage_.size)}};
        const auto n = static_cast<int>(stage_.convolutions);
        for (int i = 0; i < n; ++i) {
            map = convolved(i, map);
            const int pool = stage_.convolution[static_cast<std::size_t>(i)].pool;
            if (pool > 0) map = pooled(map, pool);
        }
        const Map hidden = convolved(n, {1, 9 * map.channels, map.at});
        const std::string head = "dense" + std::to_string(n + 2) + "_1";
        const float *const weights = data(head + ".weight"), *const bias = data(head + ".bias");
        float sums[16] = {};
        for (int k = 0; k < stage_.hidden; ++k) {
            sums[k % 16] += hidden.at[static_cast<std::size_t>(k)] * (weights[stage_.hidden + k] - weights[k]);
        }
        for (int half = 8; half > 0; half /= 2)
            for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
        return sums[0] + (bias[1] - bias[0]);
    }

  private:
    const float* data(const std::string& name) const { return tensors_.at(name).data; }

    bool is_dense(int layer) const { return layer == static_cast<int>(stage_.convolutions); }

    // What output o gets of channel c of the kernel's pixel (y, x); the dense layer's lie column by column.
    std::size_t index(int layer, int side, int channels, int o, int y, int x, int c) const {
        const int last = stage_.last().outputs;
        const int at = is_dense(layer) ? o * channels + (c / last % 3 * 3 + c / last / 3) * last + c % last
                                       : ((o * channels + c) * side + y) * side + x;
        return static_cast<std::size_t>(at);
    }

    Map convolved(int layer, const Map& in) const {
        const std::string number = std::to_string(layer + 1), name = (is_dense(layer) ? "dense" : "conv") + number;
        const BfloatShape& shape = shapes_[static_cast<std::size_t>(layer)];
        const int side = shape.segments, padded = shape.inputs / side;
        const float *const weights = data(name + ".weight"), *const bias = data(name + ".bias");
        const float* const slopes = data("prelu" + number + ".weight");
        Map out{in.side - side + 1, shape.outputs, {}};
        for (int y = 0; y < out.side; ++y)
            for (int x = 0; x < out.side; ++x)
                for (int o = 0; o < shape.outputs; ++o) {
                    float sum = bias[o];
                    for (int s = 0; s < side; ++s)
                        for (int begin = 0; begin < shape.inputs; begin += 32) {
                            const int count = std::min(32, shape.inputs - begin);
                            const auto pixel = [&](int k) { return (begin + k) / padded; };
                            const auto channel = [&](int k) { return (begin + k) % padded; };
                            sum = tile_sum(
                                sum, count,
                                [&](int k) {
                                    if (channel(k) >= in.channels) return 0.0f;
                                    const int at = ((y + s) * in.side + x + pixel(k)) * in.channels + channel(k);
                                    return to_float(to_bfloat(in.at[static_cast<std::size_t>(at)]));
                                },
                                [&](int k) {
                                    if (channel(k) >= in.channels) return 0.0f;
                                    return to_float(to_bfloat(
                                        weights[index(layer, side, in.channels, o, s, pixel(k), channel(k))]));
                                });
                        }
                    out.at.push_back(sum > 0.0f ? sum : sum * slopes[o]);
                }
        return out;
    }

    static Map pooled(const Map& in, int window) {
        Map out{(in.side - window + 1) / 2 + 1, in.channels, {}};
        for (int y = 0; y < out.side; ++y)
            for (int x = 0; x < out.side; ++x)
                for (int c = 0; c < in.channels; ++c) {
                    float best = -INFINITY;
                    for (int i = 2 * y; i < std::min(2 * y + window, in.side); ++i)
                        for (int j = 2 * x; j < std::min(2 * x + window, in.side); ++j) {
                            best = std::max(best, in.at[static_cast<std::size_t>((i * in.side + j) * in.channels + c)]);
                        }
                    out.at.push_back(best);
                }
        return out;
    }

    const CropStage& stage_;
    const std::array<BfloatShape, kMaxRoughLayers> shapes_;
    const TensorMap& tensors_;
};

std::vector<const BfloatKernels*> kernels() {
    std::vector<const BfloatKernels*> found{&kEmulatedAmx->crops};
    if (bfloat_kernels() != nullptr && bfloat_kernels() != &kEmulatedAmx->crops) found.push_back(bfloat_kernels());
    std::printf("  AMX: %s\n", found.size() > 1 ? "run" : "skipped: not on this processor");
    return found;
}

std::vector<float> random_crops(const Network& network) {
    Random random(3);
    std::vector<float> crops(kCropBlock * network.crop() + 16);  // what a kernel reads behind them
    for (float& pixel : crops) pixel = random.uniform(-1.0f, 1.0f);
    return crops;
}

void every_kernel_has_the_bits_of_plain_loops() {
    const RandomNetworks networks(5);
    const NetworkWeights weights = networks.pack();
    for (const Network& of : kNetworks) {
        const BfloatNetwork network(of.stage, (weights.*of.weights)());
        const Reference reference(of.stage, networks.*of.tensors);
        const std::vector<float> crops = random_crops(of);
        std::vector<float> expected;
        for (std::size_t i = 0; i < kCropBlock; ++i) {
            expected.push_back(reference.difference(crops.data() + i * of.crop()));
        }
        CHECK(expected[0] != expected[1]);
        for (const BfloatKernels* const of_isa : kernels()) {
            const BfloatKernel& kernel = of_isa->*of.rough;
            const AlignedBytes scratch(kernel.scratch);
            // What an earlier call left does not matter.
            for (const int count : {8, 1, 2, 3, 4, 5, 6, 7, 8}) {
                std::vector<float> found(static_cast<std::size_t>(count));
                kernel.run(network.weights(), crops.data(), count, scratch.data(), found.data());
                CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
            }
        }
    }
}

void they_are_near_float32() {
    for (const Network& of : kNetworks) {
        const std::vector<float> crops = random_crops(of);
        const CropKernel& exact = available_isas().front().kernels->*of.exact;
        const AlignedFloats memory(exact.scratch);
        double worst = 0.0, size = 0.0;
        for (std::uint64_t seed = 20; seed < 25; ++seed) {
            const RandomNetworks networks(seed);
            const NetworkWeights weights = networks.pack();
            const CropNetWeights& own = (weights.*of.weights)();
            const BfloatNetwork network(of.stage, own);
            std::vector<float> outputs(kCropBlock * kCropOutputs), found(kCropBlock);
            exact.run(own, Algorithm::kDirect, crops.data(), kCropBlock, memory.data(), outputs.data());
            for (const BfloatKernels* const of_isa : kernels()) {
                const BfloatKernel& kernel = of_isa->*of.rough;
                const AlignedBytes scratch(kernel.scratch);
                kernel.run(network.weights(), crops.data(), kCropBlock, scratch.data(), found.data());
                for (std::size_t i = 0; i < kCropBlock; ++i) {
                    const double expected = double{outputs[i * kCropOutputs + 1]} - double{outputs[i * kCropOutputs]};
                    worst = std::max(worst, std::abs(found[i] - expected));
                    size = std::max(size, std::abs(expected));
                }
            }
        }
        std::printf("  %s: differences of up to %.3f are off by at most %.4f\n", of.name, size, worst);
        // Each of the layers and its inputs are rounded to 8 bits, errors of 2^-9 that partly cancel.
        const auto layers = static_cast<double>(of.stage.convolutions + 1);
        CHECK(worst > 0.0 && worst < layers * 2 * size / 512);
    }
}

void the_cascade_keeps_what_the_margins_keep() {
    const RandomNetworks networks(8);
    const NetworkWeights weights = networks.pack();
    const BfloatNetwork rnet(kRNetStage, weights.rnet()), onet(kONetStage, weights.onet());
    // One instruction set and few windows: a product of emulated tiles takes microseconds.
    const std::vector<Isa> isas{available_isas().front()};
    for (const BfloatKernels* const kernel : kernels()) {
        const RandomImage image(21, 26, 1);
        check_filtered_cascade(
            weights, isas, image, {0.3f, 0.9f, 0.0f}, FilteredNetwork::kRNet,
            [&](const Isa&, float margin) { return CropFilter{&rnet.weights(), &kernel->rnet, margin}; });
        check_filtered_cascade(
            weights, isas, image, {0.3f, 0.9f, 0.05f}, FilteredNetwork::kONet,
            [&](const Isa&, float margin) { return CropFilter{&onet.weights(), &kernel->onet, margin}; });
    }
}

}  // namespace

int main() {
    RUN(rounds_to_nearest_and_ties_to_even);
    RUN(emulated_tiles_have_the_bits_of_the_definition);
    RUN(every_kernel_has_the_bits_of_plain_loops);
    RUN(they_are_near_float32);
    RUN(the_cascade_keeps_what_the_margins_keep);
}
