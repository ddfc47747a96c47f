// Networks of random weights and images of random pixels, the same on every run and machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cpp/engine/crop_stage.h"
#include "cpp/engine/network_weights.h"
#include "cpp/image_view.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, size) (static_cast<void>(data), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(data, size) (static_cast<void>(data), static_cast<void>(size))
#endif

namespace mtcnn_fast {

// Of many similar cases, one in kEvery is enough under an emulator or the address sanitizer.
#if defined(MTCNN_FAST_EMULATED)
inline constexpr int kEvery = 9;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr int kEvery = 3;
#else
inline constexpr int kEvery = 1;
#endif

// Splitmix64: the standard's distributions differ between libraries.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    float uniform(float low, float high) { return low + (high - low) * static_cast<float>(bits() >> 40) / 16777216.0f; }

  private:
    std::uint64_t state_;
};

// Three networks with the tensors of the shipped ones, but for other widths of R- and O-Net. Signals keep about their
// size from layer to layer; slopes are negative and above 1 too, as the shipped ones.
class RandomNetworks {
  public:
    explicit RandomNetworks(std::uint64_t seed, const engine::CropStage& r = engine::kRNetStage,
                            const engine::CropStage& o = engine::kONetStage)
        : random_(seed) {
        layer(pnet, "conv1", {10, 3, 3, 3}, "prelu1");
        layer(pnet, "conv2", {16, 10, 3, 3}, "prelu2");
        layer(pnet, "conv3", {32, 16, 3, 3}, "prelu3");
        head(pnet, "conv4_1", {2, 32, 1, 1}, 1.0f);
        head(pnet, "conv4_2", {4, 32, 1, 1}, 0.05f);
        crop_net(rnet, r);
        crop_net(onet, o);
    }

    // The elements of a tensor, to be changed.
    float* data(engine::TensorMap& net, const std::string& name) { return const_cast<float*>(net.at(name).data); }

    engine::NetworkWeights pack() const { return {pnet, rnet, onet}; }

    engine::TensorMap pnet;
    engine::TensorMap rnet;
    engine::TensorMap onet;

  private:
    using Shape = std::vector<std::size_t>;

    void tensor(engine::TensorMap& net, const std::string& name, const Shape& shape, float low, float high) {
        std::size_t n = 1;
        for (const std::size_t side : shape) n *= side;
        std::vector<float>& values = storage_.emplace_back(n);
        for (float& value : values) value = random_.uniform(low, high);
        net[name] = {values.data(), shape};
    }

    void head(engine::TensorMap& net, const std::string& name, const Shape& shape, float gain) {
        std::size_t inputs = 1;
        for (std::size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
        const float bound = gain * std::sqrt(6.0f / static_cast<float>(inputs));
        tensor(net, name + ".weight", shape, -bound, bound);
        tensor(net, name + ".bias", {shape[0]}, -0.1f * gain, 0.1f * gain);
    }

    void layer(engine::TensorMap& net, const std::string& name, const Shape& shape, const std::string& prelu) {
        head(net, name, shape, 1.0f);
        tensor(net, prelu + ".weight", {shape[0]}, -0.3f, 1.2f);
    }

    // The tensors that a description asks for.
    void crop_net(engine::TensorMap& net, const engine::CropStage& stage) {
        const auto number = [](const char* kind, std::size_t i) { return kind + std::to_string(i); };
        const auto count = [](int n) { return static_cast<std::size_t>(n); };
        for (std::size_t i = 0; i < stage.convolutions; ++i) {
            const engine::Convolution& one = stage.convolution[i];
            layer(net, number("conv", i + 1),
                  {count(one.outputs), count(one.inputs), count(one.kernel), count(one.kernel)},
                  number("prelu", i + 1));
        }
        const std::size_t n = stage.convolutions, hidden = count(stage.hidden);
        layer(net, number("dense", n + 1), {hidden, 9 * count(stage.last().outputs)}, number("prelu", n + 1));
        head(net, number("dense", n + 2) + "_1", {2, hidden}, 1.0f);
        head(net, number("dense", n + 2) + "_2", {4, hidden}, 0.05f);
        if (stage.landmarks > 0) head(net, number("dense", n + 2) + "_3", {count(stage.landmarks), hidden}, 0.2f);
    }

    Random random_;
    std::deque<std::vector<float>> storage_;
};

// Random pixels in memory that ends with the last one. With a gap, rows are further apart than they are wide; the gap
// may not be read, which the address sanitizer checks and which its random content betrays without.
class RandomImage {
  public:
    RandomImage(std::int64_t height, std::int64_t width, std::uint64_t seed, std::int64_t gap = 0)
        : height_(height), width_(width), pitch_(3 * width + gap) {
        const std::int64_t size = (height - 1) * pitch_ + 3 * width;
        data_ = std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(size));
        Random pixels(seed), fill(seed ^ static_cast<std::uint64_t>(gap));
        for (std::int64_t y = 0; y < height; ++y) {
            std::uint8_t* const row = data_.get() + y * pitch_;
            for (std::int64_t x = 0; x < 3 * width; ++x) row[x] = static_cast<std::uint8_t>(pixels.bits() >> 56);
            if (y + 1 == height) break;
            for (std::int64_t x = 3 * width; x < pitch_; ++x) row[x] = static_cast<std::uint8_t>(fill.bits() >> 56);
            ASAN_POISON_MEMORY_REGION(row + 3 * width, static_cast<std::size_t>(gap));
        }
    }
    ~RandomImage() {
        if (data_) ASAN_UNPOISON_MEMORY_REGION(data_.get(), static_cast<std::size_t>((height_ - 1) * pitch_));
    }
    RandomImage(RandomImage&&) = default;
    RandomImage& operator=(RandomImage&&) = delete;
    RandomImage(const RandomImage&) = delete;
    RandomImage& operator=(const RandomImage&) = delete;

    ImageView view() const { return {data_.get(), pitch_, height_, width_}; }
    std::uint8_t* pixels() { return data_.get(); }

  private:
    std::int64_t height_;
    std::int64_t width_;
    std::int64_t pitch_;
    std::unique_ptr<std::uint8_t[]> data_;
};

}  // namespace mtcnn_fast
