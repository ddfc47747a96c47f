// R-Net in bytes: every form of its kernel has the bits of plain loops, also where sums of 16 bits are full; and the
// cascade with it as a filter.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "cpp/engine/aligned.h"
#include "cpp/engine/byte_network.h"
#include "cpp/engine/byte_network_pack.h"
#include "cpp/engine/crop_filter.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/isa.h"
#include "cpp/engine/network_weights.h"
#include "engine_fixture.h"
#include "filtered_cascade.h"

namespace {

using namespace mtcnn_fast;
using namespace mtcnn_fast::engine;

constexpr int kSize = kRNetStage.size;
constexpr std::size_t kCrop = std::size_t{3} * kSize * kSize;

// kFull: weights as large as 16 bits allow, of a step's twelve, those of each pair of lanes sum to 128. kWide: outputs
// that exceed a byte in crops of much contrast.
enum class Size : std::uint8_t { kRandom, kFull, kWide };

class RandomBytes {
  public:
    RandomBytes(std::uint64_t seed, Size size) {
        Random random(seed);
        for (std::size_t i = 0; i < kRoughLayers; ++i) {
            const ByteShape& shape = kRNetBytes[i];
            const auto outputs = static_cast<std::size_t>(shape.outputs);
            weights_[i].resize(outputs * static_cast<std::size_t>(shape.segments * shape.bytes));
            std::size_t at = 0;
            for (std::size_t run = 0; run < outputs * static_cast<std::size_t>(shape.segments); ++run) {
                const int sign = random.bits() % 2 == 0 ? 1 : -1;
                for (int k = 0; k < shape.bytes; ++k, ++at) weights_[i][at] = weight(random, size, sign, k);
            }
            // Sums of a few ten thousand become bytes.
            const float most = i == 3 ? 1e-4f : (size == Size::kWide ? 0.0075f : 0.003f);
            fill(i, 0, random, 0.0f, size == Size::kFull ? 1e-4f : most);
            fill(i, 1, random, -20.0f, 20.0f);
            fill(i, 2, random, -0.4f, 1.3f);
            fill(i, 3, random, 20.0f, 100.0f);
            tensors.layer[i] = {weights_[i].data(), values_[i][0].data(), values_[i][1].data(), values_[i][2].data(),
                                values_[i][3].data()};
        }
        head_.resize(static_cast<std::size_t>(kRNetStage.hidden));
        for (float& value : head_) value = random.uniform(-0.2f, 0.2f);
        tensors.difference = head_.data();
        tensors.difference_bias = 0.37f;
    }

    std::int8_t* weights(std::size_t layer) { return weights_[layer].data(); }

    ByteTensors tensors{};

  private:
    static std::int8_t weight(Random& random, Size size, int sign, int k) {
        // Lanes 0, 1, 4, 5, 8 and 9 of a step make one sum, the others another one.
        constexpr int kFullStep[kByteStep] = {22, 22, 22, 22, 21, 21, 21, 21, 21, 21, 21, 21};
        if (size == Size::kFull) return static_cast<std::int8_t>(sign * kFullStep[k % kByteStep]);
        return static_cast<std::int8_t>(static_cast<int>(random.bits() % 43) - 21);
    }

    void fill(std::size_t layer, std::size_t what, Random& random, float low, float high) {
        std::vector<float>& values = values_[layer][what];
        values.resize(static_cast<std::size_t>(kRNetBytes[layer].outputs));
        for (float& value : values) value = random.uniform(low, high);
    }

    std::array<std::vector<std::int8_t>, kRoughLayers> weights_;
    std::array<std::array<std::vector<float>, 4>, kRoughLayers> values_;
    std::vector<float> head_;
};

// A map of pixels of interleaved channels.
struct Map {
    int side;
    int channels;
    std::vector<std::uint8_t> at;
};

float output(const ByteLayerTensors& layer, const ByteShape& shape, int o, const std::uint8_t* const* runs) {
    std::int32_t sum = 0;
    for (int s = 0; s < shape.segments; ++s)
        for (int k = 0; k < shape.bytes; ++k) {
            sum += int{layer.weights[(o * shape.segments + s) * shape.bytes + k]} * int{runs[s][k]};
        }
    const float value = static_cast<float>(sum) * layer.scale[o] + layer.bias[o];
    return value > 0.0f ? value : value * layer.slope[o];
}

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.5f)); }

Map convolved(const ByteLayerTensors& layer, const ByteShape& shape, const Map& in) {
    Map out{in.side - shape.segments + 1, shape.outputs, {}};
    for (int y = 0; y < out.side; ++y)
        for (int x = 0; x < out.side; ++x) {
            const std::uint8_t* runs[3];
            for (int s = 0; s < shape.segments; ++s) runs[s] = in.at.data() + ((y + s) * in.side + x) * in.channels;
            for (int o = 0; o < shape.outputs; ++o)
                out.at.push_back(to_byte(output(layer, shape, o, runs) + layer.zero[o]));
        }
    return out;
}

Map pooled(const Map& in) {
    Map out{(in.side - 2) / 2 + 1, in.channels, {}};
    for (int y = 0; y < out.side; ++y)
        for (int x = 0; x < out.side; ++x)
            for (int c = 0; c < in.channels; ++c) {
                std::uint8_t best = 0;
                for (int i = 2 * y; i < std::min(2 * y + 3, in.side); ++i)
                    for (int j = 2 * x; j < std::min(2 * x + 3, in.side); ++j) {
                        const int at = (i * in.side + j) * in.channels + c;
                        best = std::max(best, in.at[static_cast<std::size_t>(at)]);
                    }
                out.at.push_back(best);
            }
    return out;
}

float reference(const ByteTensors& net, const float* crop) {
    Map map{kSize, 3, {}};
    for (std::size_t i = 0; i < kCrop; ++i) map.at.push_back(to_byte(crop[i] * 128.0f + 128.0f));
    for (std::size_t i = 0; i < 3; ++i) {
        map = convolved(net.layer[i], kRNetBytes[i], map);
        if (i < 2) map = pooled(map);
        if (std::find(map.at.begin(), map.at.end(), 255) != map.at.end()) return std::numeric_limits<float>::infinity();
    }
    float sums[16] = {};
    const std::uint8_t* const run = map.at.data();
    for (int o = 0; o < kRNetStage.hidden; ++o)
        sums[o % 16] += output(net.layer[3], kRNetBytes[3], o, &run) * net.difference[o];
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
    return sums[0] + net.difference_bias;
}

void every_form_has_the_bits_of_plain_loops() {
    for (const Size size : {Size::kRandom, Size::kFull, Size::kWide}) {
        const RandomBytes bytes(11, size);
        const ByteNetwork network(bytes.tensors);
        Random random(3);
        std::vector<float> crops(kCropBlock * kCrop);
        // With large weights, bright pixels: sums of 16 bits are then as large as they can be.
        for (float& pixel : crops) pixel = random.uniform(size == Size::kFull ? 0.99f : -1.0f, 1.0f);
        for (std::size_t i = 0; size == Size::kWide && i < crops.size(); ++i) {
            const std::size_t crop = i / kCrop;
            crops[i] *= static_cast<float>(crop) / kCropBlock;
        }
        std::vector<float> expected;
        expected.reserve(kCropBlock);
        for (int i = 0; i < kCropBlock; ++i)
            expected.push_back(reference(bytes.tensors, crops.data() + static_cast<std::size_t>(i) * kCrop));
        const auto known = std::count_if(expected.begin(), expected.end(), [](float x) { return std::isfinite(x); });
        std::printf("  %d of %d crops are known\n", static_cast<int>(known), kCropBlock);
        CHECK(size == Size::kWide ? known > 0 && known < kCropBlock : known == kCropBlock);
        CHECK(size == Size::kFull || expected[0] != expected[1]);
        for (const ByteForm& form : available_byte_forms()) {
            std::printf("  %s\n", form.name);
            const AlignedBytes scratch(form.kernel->scratch);
            for (int count = 1; count <= kCropBlock; ++count) {
                std::vector<float> found(static_cast<std::size_t>(count));
                form.kernel->run(network.weights(), crops.data(), count, scratch.data(), found.data());
                CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
            }
        }
    }
}

void what_16_bits_do_not_hold_is_refused() {
    for (std::size_t layer = 0; layer < kRoughLayers; ++layer) {
        RandomBytes bytes(5, Size::kFull);
        std::int8_t& first = bytes.weights(layer)[0];
        first = static_cast<std::int8_t>(first > 0 ? first + 40 : first - 40);
        std::string message;
        try {
            const ByteNetwork network(bytes.tensors);
        } catch (const std::invalid_argument& error) {
            message = error.what();
        }
        CHECK(message.find("layer " + std::to_string(layer)) != std::string::npos);
    }
}

void the_cascade_keeps_what_the_margin_keeps() {
    const RandomNetworks networks(7);
    const NetworkWeights weights = networks.pack();
    const RandomBytes bytes(2, Size::kRandom);
    const ByteNetwork filter(bytes.tensors);
    check_filtered_cascade(
        weights, available_isas(), RandomImage(47, 41, 1), {0.3f, 0.2f, 0.0f}, FilteredNetwork::kRNet,
        [&](const Isa& isa, float margin) { return CropFilter{&filter.weights(), &byte_kernel(isa), margin}; });
}

}  // namespace

int main() {
    RUN(every_form_has_the_bits_of_plain_loops);
    RUN(what_16_bits_do_not_hold_is_refused);
    RUN(the_cascade_keeps_what_the_margin_keeps);
}
