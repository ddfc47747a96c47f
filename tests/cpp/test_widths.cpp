// R-Net and O-Net of other widths: the kernel that runs any of them beside those of the standard widths, and beside the
// networks' definition.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "cpp/engine/aligned.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/layers.h"
#include "cpp/engine/network_weights.h"
#include "engine_fixture.h"
#include "reference_networks.h"

namespace {

using namespace mtcnn_fast;
using namespace mtcnn_fast::engine;

// `stage` with these outputs of its convolutions and of its dense layer.
CropStage with_widths(CropStage stage, const std::vector<int>& widths) {
    int inputs = 3;
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        stage.convolution[i].inputs = inputs;
        inputs = stage.convolution[i].outputs = widths[i];
    }
    stage.hidden = widths[stage.convolutions];
    return stage;
}

std::size_t crop_floats(const CropStage& stage) { return 3 * static_cast<std::size_t>(stage.size * stage.size); }

// With what register tiles read behind the last crop.
std::vector<float> random_crops(const CropStage& stage) {
    std::vector<float> crops(kCropBlock * crop_floats(stage) + 16);
    Random random(11);
    for (float& value : crops) value = random.uniform(-1.0f, 1.0f);
    return crops;
}

// Runs a kernel and checks that it keeps to its memory and to its outputs.
std::vector<float> run(const CropKernel& kernel, const CropNetWeights& net, Algorithm algorithm, const float* crops,
                       int count) {
    constexpr float kUntouched = 12345.0f;
    constexpr std::size_t kBehind = 64;
    const AlignedFloats memory(kernel.scratch + kBehind);
    std::fill_n(memory.data() + kernel.scratch, kBehind, kUntouched);
    std::vector<float> outputs(static_cast<std::size_t>(count) * kCropOutputs + kBehind, kUntouched);
    kernel.run(net, algorithm, crops, count, memory.data(), outputs.data());
    const auto untouched = [](float value) { return value == kUntouched; };
    CHECK(std::all_of(memory.data() + kernel.scratch, memory.data() + kernel.scratch + kBehind, untouched));
    CHECK(std::all_of(outputs.end() - kBehind, outputs.end(), untouched));
    outputs.resize(outputs.size() - kBehind);
    return outputs;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class Test>
void with_algorithms(Test test) {
    for (const Isa& isa : available_isas()) {
        for (const Algorithm algorithm : {Algorithm::kFast, Algorithm::kDirect}) test(*isa.kernels, algorithm);
    }
}

void at_the_standard_widths_it_has_the_bits_of_their_kernels() {
    const RandomNetworks networks(31);
    const NetworkWeights weights = networks.pack();
    for (const CropNetWeights* const net : {&weights.rnet(), &weights.onet()}) {
        const std::vector<float> crops = random_crops(net->stage);
        with_algorithms([&](const KernelTable& kernels, Algorithm algorithm) {
            const CropKernel standard = crop_kernel(kernels, *net);
            CHECK(standard.run != kernels.crop_net_any);
            const CropKernel any{net->layout.floats, kernels.crop_net_any};
            for (const int count : {kCropBlock, 5, 1}) {
                CHECK(same_bits(run(standard, *net, algorithm, crops.data(), count),
                                run(any, *net, algorithm, crops.data(), count)));
            }
        });
    }
}

// The outputs of the networks' definition for one crop of interleaved pixels.
std::vector<double> defined(const CropStage& stage, const TensorMap& tensors, const float* crop) {
    const auto size = static_cast<std::size_t>(stage.size);
    reference::Maps maps(3, size, size);
    for (std::size_t y = 0; y < size; ++y)
        for (std::size_t x = 0; x < size; ++x)
            for (std::size_t c = 0; c < 3; ++c) maps.at(c, y, x) = static_cast<double>(crop[(y * size + x) * 3 + c]);
    const reference::Output output =
        stage.landmarks > 0 ? reference::onet(tensors, maps) : reference::rnet(tensors, maps);
    std::vector<double> values;
    for (const reference::Maps* const part : {&output.logits, &output.offsets, &output.landmarks}) {
        values.insert(values.end(), part->values.begin(), part->values.end());
    }
    return values;
}

void check_widths(const CropStage& stage, const TensorMap& tensors, const CropNetWeights& net) {
    CHECK(net.stage == stage);
    const std::vector<float> crops = random_crops(stage);
    const std::size_t last = kCropBlock - 1;
    const std::vector<double> expected = defined(stage, tensors, crops.data() + last * crop_floats(stage));
    with_algorithms([&](const KernelTable& kernels, Algorithm algorithm) {
        const CropKernel kernel = crop_kernel(kernels, net);
        CHECK(kernel.run == kernels.crop_net_any);
        const std::vector<float> block = run(kernel, net, algorithm, crops.data(), kCropBlock);
        const std::vector<float> alone = run(kernel, net, algorithm, crops.data() + last * crop_floats(stage), 1);
        CHECK(same_bits(alone, {block.begin() + last * kCropOutputs, block.end()}));
        double greatest = 0.0;
        for (const double value : expected) greatest = std::max(greatest, std::abs(value));
        for (std::size_t i = 0; i < expected.size(); ++i) {
            CHECK(std::abs(static_cast<double>(alone[i]) - expected[i]) <= 2e-5 * (1.0 + greatest));
        }
        // Nothing is written behind the heads.
        for (std::size_t i = expected.size(); i < kCropOutputs; ++i) CHECK(alone[i] == 0.0f);
    });
}

void other_widths_are_as_defined() {
    const std::vector<std::vector<int>> rnets = {
        {42, 80, 96, 192}, {1, 16, 16, 16}, {13, 32, 48, 80}, {96, 16, 16, 16}};
    const std::vector<std::vector<int>> onets = {
        {48, 96, 96, 192, 384}, {64, 128, 128, 256, 512}, {1, 1, 16, 16, 16}, {19, 37, 48, 16, 112}};
    for (std::size_t i = 0; i < rnets.size(); i += kEvery) {
        const CropStage r = with_widths(kRNetStage, rnets[i]), o = with_widths(kONetStage, onets[i]);
        const RandomNetworks networks(40 + i, r, o);
        const NetworkWeights weights = networks.pack();
        check_widths(r, networks.rnet, weights.rnet());
        check_widths(o, networks.onet, weights.onet());
    }
}

std::string refusal(const RandomNetworks& networks) {
    try {
        networks.pack();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

void what_cannot_run_is_refused() {
    const std::vector<int> standard = {32, 64, 64, 128, 256};
    const std::array<std::vector<int>, 6> refused = {{{32, 64, 72, 128, 256},
                                                      {32, 64, 64, 120, 256},
                                                      {32, 64, 64, 128, 250},
                                                      {513, 64, 64, 128, 256},
                                                      {32, 64, 528, 128, 256},
                                                      {32, 64, 64, 128, 1040}}};
    for (const std::vector<int>& widths : refused) {
        const std::string message = refusal(RandomNetworks(1, kRNetStage, with_widths(kONetStage, widths)));
        CHECK(message.find("multiples of 16") != std::string::npos);
    }
    // Each tensor against the one before it.
    for (const char* const name : {"conv1.bias", "prelu1.weight", "conv2.weight", "conv3.weight", "conv4.weight",
                                   "dense5.weight", "prelu5.weight", "dense6_1.weight", "dense6_3.weight"}) {
        RandomNetworks networks(2, kRNetStage, with_widths(kONetStage, standard));
        ++networks.onet[name].shape.back();
        CHECK(refusal(networks).find("tensor '" + std::string(name) + "' has shape") != std::string::npos);
    }
}

}  // namespace

int main() {
    for (const Isa& isa : available_isas()) std::printf("instruction set: %s\n", isa.name);
    RUN(at_the_standard_widths_it_has_the_bits_of_their_kernels);
    RUN(other_widths_are_as_defined);
    RUN(what_cannot_run_is_refused);
}
