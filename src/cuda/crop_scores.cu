// What follows the maps of crop_features.cu: the last convolution, the dense layer and the heads, for several crops a
// block, so that a weight serves all of them.
#include "cuda/crop_network.h"
#include "cuda/layers.h"
#include "cuda/shared_memory.h"

namespace mtcnn_fast::cuda {
namespace {

// The last convolution of R-Net has an item for each thread, that of O-Net two.
constexpr int kThreads = 192, kResidentBlocks = 3;  // of a multiprocessor, by registers: 96 a thread
constexpr int kCrops = kCropsTogether;
constexpr int kOutputs = 8;                        // channels of a thread in the convolution
constexpr int kDenseOutputs = 2, kDenseCrops = 4;  // outputs and crops of a thread in the dense layer
constexpr int kMostLogits = 16;

// The last convolution: a thread has one row of a crop. Its outputs are laid out as the dense layer takes them.
__device__ __forceinline__ void last_map(const CropNetworkLayout& l, const float* weights, const float* maps,
                                         const bool* used, float* features) {
    constexpr int kPlaces = kCrops * kLastSide;
    const CropLayer& layer = l.last;
    for (int i = static_cast<int>(threadIdx.x); i < kPlaces * (layer.padded / kOutputs); i += kThreads) {
        const int first = i / kPlaces * kOutputs, crop = i % kPlaces / kLastSide, y = i % kLastSide;
        if (!used[crop]) continue;
        float sums[kOutputs][kLastSide], slope[kOutputs];
        const float* const input = maps + (crop * layer.inputs * kMapSide + y) * kMapSide;
        const auto taps_at = [=](int c, int row, float (&taps)[kMapSide]) {
            load(input + (c * kMapSide + row) * kMapSide, taps);
        };
        convolve<2, Weights::kAhead>(layer.inputs, taps_at, weights + layer.weights + first, layer.padded,
                                     weights + layer.bias + first, sums);
        load(weights + layer.slope + first, slope);
        for (int o = 0; o < kOutputs && first + o < layer.outputs; ++o) {
            for (int x = 0; x < kLastSide; ++x) {
                const int place = (x * kLastSide + y) * layer.outputs + first + o;
                features[crop * l.dense.inputs + place] = prelu(sums[o][x], slope[o]);
            }
        }
    }
}

// A crop that is not used has zeros, and so has the padding of each.
__device__ __forceinline__ void clear_rest(const CropNetworkLayout& l, const bool* used, float* features) {
    const int real = kLastPlaces * l.last.outputs;
    for (int crop = 0; crop < kCrops; ++crop) {
        for (int i = (used[crop] ? real : 0) + static_cast<int>(threadIdx.x); i < l.dense.inputs; i += kThreads) {
            features[crop * l.dense.inputs + i] = 0.0f;
        }
    }
}

// A thread has two outputs of half of the crops.
__device__ __forceinline__ void dense(const CropLayer& layer, const float* weights, const float* features,
                                      float* hidden) {
    const int pairs = layer.padded / kDenseOutputs;
    for (int i = static_cast<int>(threadIdx.x); i < pairs * (kCrops / kDenseCrops); i += kThreads) {
        const int o = i % pairs * kDenseOutputs, first = i / pairs * kDenseCrops;
        const float* const inputs = features + first * layer.inputs;
        const float2 bias = *reinterpret_cast<const float2*>(weights + layer.bias + o);
        const float2 slope = *reinterpret_cast<const float2*>(weights + layer.slope + o);
        float2 sums[kDenseCrops];
        MF_UNROLL
        for (int n = 0; n < kDenseCrops; ++n) sums[n] = bias;
        // Several steps at a time: with few crops the weights come from afar, and nothing else hides the way.
        MF_UNROLL_BY_FOUR
        for (int k = 0; k < layer.inputs; k += 4) {
            float2 weight[4];
            MF_UNROLL
            for (int j = 0; j < 4; ++j) {
                weight[j] = *reinterpret_cast<const float2*>(weights + layer.weights + (k + j) * layer.padded + o);
            }
            MF_UNROLL
            for (int n = 0; n < kDenseCrops; ++n) {
                float values[4];
                load(inputs + n * layer.inputs + k, values);
                MF_UNROLL
                for (int j = 0; j < 4; ++j) {
                    sums[n].x = __fmaf_rn(values[j], weight[j].x, sums[n].x);
                    sums[n].y = __fmaf_rn(values[j], weight[j].y, sums[n].y);
                }
            }
        }
        MF_UNROLL
        for (int n = 0; n < kDenseCrops; ++n) {
            float* const to = hidden + (first + n) * layer.outputs + o;
            if (o < layer.outputs) to[0] = prelu(sums[n].x, slope.x);
            if (o + 1 < layer.outputs) to[1] = prelu(sums[n].y, slope.y);
        }
    }
    __syncthreads();
}

__device__ __forceinline__ void heads(const CropLayer& layer, const float* weights, const float* hidden,
                                      float (&logits)[kCrops][kMostLogits]) {
    for (int i = static_cast<int>(threadIdx.x); i < kCrops * layer.outputs; i += kThreads) {
        const int crop = i / layer.outputs, o = i % layer.outputs;
        float sum = weights[layer.bias + o];
        for (int k = 0; k < layer.inputs; ++k) {
            sum = __fmaf_rn(hidden[crop * layer.inputs + k], weights[layer.weights + k * layer.padded + o], sum);
        }
        logits[crop][o] = sum;
    }
    __syncthreads();
}

__device__ __forceinline__ void write(const CropNetworkArguments& a, int64_t candidate, bool used,
                                      const float (&logits)[kMostLogits]) {
    a.scores[candidate] = used ? probability(logits[0], logits[1]) : 0.0f;
    a.offsets[candidate] = used ? Box{logits[2], logits[3], logits[4], logits[5]} : Box{};
    if (a.points == nullptr) return;
    for (int k = 0; k < 10; ++k) a.points[candidate * 10 + k] = used ? logits[6 + k] : 0.0f;
}

__global__ void __launch_bounds__(kThreads, kResidentBlocks)
    crop_scores_kernel(CropNetworkLayout l, CropNetworkArguments a, CropPart part) {
    __shared__ bool used[kCrops];
    __shared__ float logits[kCrops][kMostLogits];
    const int64_t first = int64_t{blockIdx.x} * kCrops, candidate = part.first + first + threadIdx.x;
    const bool writes = threadIdx.x < kCrops && first + threadIdx.x < part.length;
    if (threadIdx.x < kCrops) used[threadIdx.x] = writes && a.valid[candidate] != 0;
    __syncthreads();
    bool any = false;
    for (int n = 0; n < kCrops; ++n) any = any || used[n];
    if (any) {
        float* const features = dynamic_shared_floats();
        float* const hidden = features + kCrops * l.dense.inputs;
        last_map(l, a.weights, part.maps + first * l.last.inputs * kMapPlaces, used, features);
        clear_rest(l, used, features);
        __syncthreads();
        dense(l.dense, a.weights, features, hidden);
        heads(l.heads, a.weights, hidden, logits);
    }
    if (writes) write(a, candidate, used[threadIdx.x], logits[threadIdx.x]);
}

}  // namespace

void compute_crop_scores(const CropNetwork& network, const CropNetworkArguments& a, const CropPart& part,
                         cudaStream_t stream) {
    const CropNetworkLayout& l = network.layout();
    const size_t shared_memory = sizeof(float) * kCrops * (l.dense.inputs + l.dense.outputs);
    const std::string shapes = network.name() + ", " + std::to_string(part.length) + " boxes";
    const dim3 grid(static_cast<unsigned>(divide_up<int64_t>(part.length, kCrops)));
    launch({"crop_scores", shapes, grid, kThreads, stream, shared_memory}, crop_scores_kernel, l, a, part);
}

}  // namespace mtcnn_fast::cuda
