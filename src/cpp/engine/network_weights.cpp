#include "cpp/engine/network_weights.h"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpp/engine/aligned.h"
#include "cpp/engine/crop_layout.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/layers.h"

namespace mtcnn_fast::engine {
namespace {

constexpr std::size_t kPad = 16;

std::size_t padded(std::size_t n) { return (n + kPad - 1) / kPad * kPad; }

std::string describe(const std::vector<std::size_t>& shape) {
    std::string text = "(";
    for (const std::size_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
    return text + ")";
}

const float* find(const TensorMap& tensors, const std::string& name, const std::vector<std::size_t>& shape) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) throw std::invalid_argument("tensor '" + name + "' is missing");
    if (it->second.shape != shape) {
        throw std::invalid_argument("tensor '" + name + "' has shape " + describe(it->second.shape) + ", expected " +
                                    describe(shape));
    }
    return it->second.data;
}

using Matrix = std::vector<std::vector<double>>;

// G of F(m, 3): scripts/winograd_matrices.py.
const Matrix kG3 = {{1.0 / 2, 0, 0},
                    {-1.0 / 2, -1.0 / 2, -1.0 / 2},
                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                    {1.0 / 6, 1.0 / 3, 2.0 / 3},
                    {0, 0, 1}};
const Matrix kG4 = {{1.0 / 4, 0, 0},
                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                    {0, 0, 1}};

class Packer {
  public:
    Packer(std::vector<AlignedFloats>& storage, const TensorMap& tensors) : storage_(storage), tensors_(tensors) {}

    // A float array owned by the storage; it stays where it is.
    float* allocate(std::size_t n) {
        storage_.emplace_back(n);
        return storage_.back().data();
    }

    const float* padded_vector(const std::string& name, std::size_t n) {
        const float* const source = find(tensors_, name, {n});
        float* const out = allocate(padded(n));
        for (std::size_t i = 0; i < n; ++i) out[i] = source[i];
        return out;
    }

    // What Winograd's method transforms the kernel of a layer in: both directions, or its columns.
    enum class Transformed : std::uint8_t { kTiles, kColumns };

    // A convolution of `number`, with Winograd's weights for m outputs in each direction; none for m = 0.
    Layer convolution(std::size_t number, std::size_t ci, std::size_t co, std::size_t k, int m,
                      Transformed transformed = Transformed::kTiles) {
        const std::string name = "conv" + std::to_string(number);
        const float* const source = find(tensors_, name + ".weight", {co, ci, k, k});
        const std::size_t width = padded(co);
        float* const direct = allocate(k * k * ci * width);
        for (std::size_t o = 0; o < co; ++o)
            for (std::size_t i = 0; i < ci; ++i)
                for (std::size_t t = 0; t < k * k; ++t)
                    direct[(t * ci + i) * width + o] = source[(o * ci + i) * k * k + t];
        const Matrix& g = m == 3 ? kG3 : kG4;
        const float* winograd = nullptr;
        if (m > 0) {
            winograd = transformed == Transformed::kTiles ? transform(source, ci, co, g)
                                                          : transform_columns(source, ci, co, g);
        }
        return {direct, winograd, padded_vector(name + ".bias", co), slopes(number, co)};
    }

    // The first dense layer: the map of 3 x 3 pixels was flattened column by column with the channel fastest; here it
    // lies row by row.
    Layer dense(std::size_t number, std::size_t ci, std::size_t co) {
        const std::string name = "dense" + std::to_string(number);
        const float* const source = find(tensors_, name + ".weight", {co, 9 * ci});
        float* const out = allocate(9 * ci * co);
        for (std::size_t o = 0; o < co; ++o)
            for (std::size_t y = 0; y < 3; ++y)
                for (std::size_t x = 0; x < 3; ++x)
                    for (std::size_t c = 0; c < ci; ++c)
                        out[((y * 3 + x) * ci + c) * co + o] = source[o * 9 * ci + (x * 3 + y) * ci + c];
        return {out, nullptr, padded_vector(name + ".bias", co), slopes(number, co)};
    }

    // Heads side by side, of 2, 4 and, if there are any, `landmarks` outputs; padded to 16.
    Layer heads(std::size_t number, std::size_t landmarks, std::size_t ci) {
        float* const weight = allocate(ci * kPad);
        float* const bias = allocate(kPad);
        std::size_t at = 0;
        const std::size_t outputs[3] = {2, 4, landmarks};
        for (std::size_t head = 0; head < (landmarks > 0 ? 3U : 2U); ++head) {
            const std::string name = "dense" + std::to_string(number) + "_" + std::to_string(head + 1);
            const float* const w = find(tensors_, name + ".weight", {outputs[head], ci});
            const float* const b = find(tensors_, name + ".bias", {outputs[head]});
            for (std::size_t o = 0; o < outputs[head]; ++o, ++at) {
                bias[at] = b[o];
                for (std::size_t i = 0; i < ci; ++i) weight[i * kPad + at] = w[o * ci + i];
            }
        }
        return {weight, nullptr, bias, nullptr};
    }

  private:
    const float* slopes(std::size_t number, std::size_t n) {
        return padded_vector("prelu" + std::to_string(number) + ".weight", n);
    }

    const float* transform(const float* source, std::size_t ci, std::size_t co, const Matrix& g) {
        const std::size_t n = g.size(), width = padded(co);
        float* const out = allocate(n * n * ci * width);
        for (std::size_t o = 0; o < co; ++o)
            for (std::size_t i = 0; i < ci; ++i)
                for (std::size_t a = 0; a < n; ++a)
                    for (std::size_t b = 0; b < n; ++b) {
                        double sum = 0;
                        for (std::size_t y = 0; y < 3; ++y)
                            for (std::size_t x = 0; x < 3; ++x)
                                sum += g[a][y] * g[b][x] * static_cast<double>(source[(o * ci + i) * 9 + y * 3 + x]);
                        out[((a * n + b) * ci + i) * width + o] = static_cast<float>(sum);
                    }
        return out;
    }

    const float* transform_columns(const float* source, std::size_t ci, std::size_t co, const Matrix& g) {
        const std::size_t n = g.size(), width = padded(co);
        float* const out = allocate(n * 3 * ci * width);
        for (std::size_t o = 0; o < co; ++o)
            for (std::size_t i = 0; i < ci; ++i)
                for (std::size_t a = 0; a < n; ++a)
                    for (std::size_t x = 0; x < 3; ++x) {
                        double sum = 0;
                        for (std::size_t y = 0; y < 3; ++y)
                            sum += g[a][y] * static_cast<double>(source[(o * ci + i) * 9 + y * 3 + x]);
                        out[((a * 3 + x) * ci + i) * width + o] = static_cast<float>(sum);
                    }
        return out;
    }

    std::vector<AlignedFloats>& storage_;
    const TensorMap& tensors_;
};

PNetWeights pack_pnet(std::vector<AlignedFloats>& storage, const TensorMap& tensors) {
    Packer pack(storage, tensors);
    PNetWeights net{};
    const float* const conv1 = find(tensors, "conv1.weight", {10, 3, 3, 3});
    float* const direct = pack.allocate(27 * 10);
    float* const winograd = pack.allocate(6 * 9 * 10);
    for (std::size_t o = 0; o < 10; ++o)
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t x = 0; x < 3; ++x) {
                const float* const taps = conv1 + (o * 3 + i) * 9 + x;
                for (std::size_t y = 0; y < 3; ++y) direct[((i * 3 + y) * 3 + x) * 10 + o] = taps[3 * y];
                for (std::size_t a = 0; a < 6; ++a) {
                    double sum = 0;
                    for (std::size_t y = 0; y < 3; ++y) sum += kG4[a][y] * static_cast<double>(taps[3 * y]);
                    winograd[((a * 3 + i) * 3 + x) * 10 + o] = static_cast<float>(sum);
                }
            }
    net.conv1_direct = direct;
    net.conv1_winograd = winograd;
    net.conv1_bias = pack.padded_vector("conv1.bias", 10);
    net.conv1_slope = pack.padded_vector("prelu1.weight", 10);
    net.conv2 = pack.convolution(2, 10, 16, 3, 4);
    net.conv3 = pack.convolution(3, 16, 32, 3, 4);

    const float* const logit = find(tensors, "conv4_1.weight", {2, 32, 1, 1});
    const float* const logit_bias = find(tensors, "conv4_1.bias", {2});
    const float* const offset = find(tensors, "conv4_2.weight", {4, 32, 1, 1});
    const float* const offset_bias = find(tensors, "conv4_2.bias", {4});
    float* const difference = pack.allocate(32);
    float* const head = pack.allocate(32 * 8);
    float* const head_bias = pack.allocate(8);
    for (std::size_t i = 0; i < 32; ++i) {
        difference[i] = logit[32 + i] - logit[i];
        for (std::size_t k = 0; k < 2; ++k) head[i * 8 + k] = logit[k * 32 + i];
        for (std::size_t k = 0; k < 4; ++k) head[i * 8 + 2 + k] = offset[k * 32 + i];
    }
    for (std::size_t k = 0; k < 2; ++k) head_bias[k] = logit_bias[k];
    for (std::size_t k = 0; k < 4; ++k) head_bias[2 + k] = offset_bias[k];
    net.logit_difference = difference;
    net.logit_difference_bias = logit_bias[1] - logit_bias[0];
    net.head = head;
    net.head_bias = head_bias;
    return net;
}

// The first number of a tensor's shape, which the tensors of the next layer are checked with.
int outputs_of(const TensorMap& tensors, const std::string& name) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) throw std::invalid_argument("tensor '" + name + "' is missing");
    const std::vector<std::size_t>& shape = it->second.shape;
    // What is no number of outputs is refused with its tensor, by is_runnable() or find().
    return shape.empty() || shape[0] > static_cast<std::size_t>(kMaxHidden) ? 0 : static_cast<int>(shape[0]);
}

// A stage with the widths of its tensors.
CropStage with_widths(CropStage stage, const TensorMap& tensors) {
    std::string widths;
    int inputs = 3;
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        Convolution& layer = stage.convolution[i];
        layer.inputs = inputs;
        inputs = layer.outputs = outputs_of(tensors, "conv" + std::to_string(i + 1) + ".weight");
        widths += std::to_string(inputs) + ", ";
    }
    stage.hidden = outputs_of(tensors, "dense" + std::to_string(stage.convolutions + 1) + ".weight");
    if (!is_runnable(stage)) {
        throw std::invalid_argument("the layers have " + widths + std::to_string(stage.hidden) +
                                    " outputs, expected up to " + std::to_string(kMaxChannels) +
                                    " of the convolutions and up to " + std::to_string(kMaxHidden) +
                                    " of the dense layer, and multiples of 16 of the last two convolutions and of it");
    }
    return stage;
}

// `standard` with the widths of the tensors.
CropNetWeights pack_crop_net(std::vector<AlignedFloats>& storage, const TensorMap& tensors, const CropStage& standard) {
    Packer pack(storage, tensors);
    CropNetWeights net{};
    const CropStage stage = net.stage = with_widths(standard, tensors);
    net.layout = CropNetLayout(stage, static_cast<std::size_t>(padded_channels(1)));
    for (std::size_t i = 0; i < stage.convolutions; ++i) {
        const Convolution& layer = stage.convolution[i];
        net.convolution[i] =
            pack.convolution(i + 1, static_cast<std::size_t>(layer.inputs), static_cast<std::size_t>(layer.outputs),
                             static_cast<std::size_t>(layer.kernel), layer.winograd,
                             i == 0 ? Packer::Transformed::kColumns : Packer::Transformed::kTiles);
    }
    const auto hidden = static_cast<std::size_t>(stage.hidden);
    net.dense = pack.dense(stage.convolutions + 1, static_cast<std::size_t>(stage.last().outputs), hidden);
    net.heads = pack.heads(stage.convolutions + 2, static_cast<std::size_t>(stage.landmarks), hidden);
    return net;
}

}  // namespace

NetworkWeights::NetworkWeights(const TensorMap& pnet, const TensorMap& rnet, const TensorMap& onet)
    : pnet_(pack_pnet(storage_, pnet)),
      rnet_(pack_crop_net(storage_, rnet, kRNetStage)),
      onet_(pack_crop_net(storage_, onet, kONetStage)) {}

}  // namespace mtcnn_fast::engine
