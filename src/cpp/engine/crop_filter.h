// A rough network before R-Net or O-Net: what it scores surely below the threshold is dropped, and the network's own
// kernel computes the rest, with the bits that it has without the filter.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "cpp/engine/crop_stage.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/rough_kernel.h"
#include "cpp/engine/worker.h"

namespace mtcnn_fast::engine {

struct CropFilter {
    // None.
    CropFilter() = default;
    template <class Weights>
    CropFilter(const Weights* weights, const RoughKernel<Weights>* kernel, float most)
        : scratch(kernel->scratch),
          margin(most),
          run([weights, kernel](const float* crops, int count, std::uint8_t* memory, float* differences) {
              kernel->run(*weights, crops, count, memory, differences);
          }) {}

    std::size_t scratch = 0;
    // How far the difference of the logits may exceed the filter's.
    float margin = 0.0f;
    // RoughKernel::run on the weights; empty for none.
    std::function<void(const float* crops, int count, std::uint8_t* memory, float* differences)> run;
};

// Those before each network.
struct CropFilters {
    CropFilter rnet;
    CropFilter onet;

    std::size_t scratch() const { return std::max(rnet.scratch, onet.scratch); }
    std::size_t crop_blocks() const { return onet.run ? 2 : 1; }
};

// The network behind the filter.
struct CropNetwork {
    const CropStage& stage;
    const CropKernel& kernel;
    const CropNetWeights& weights;
    Algorithm algorithm;

    std::size_t crop_floats() const { return 3 * static_cast<std::size_t>(stage.size * stage.size); }
};

// What is known of each crop. `outputs` of a dropped crop are written only with `keep_outputs`.
struct FilteredCrops {
    float* outputs;         // [crop][kCropOutputs]
    float* differences;     // [crop] the filter's
    std::uint8_t* dropped;  // [crop] 0 or 1
    bool keep_outputs;
};

// Crops that share a call of run_filtered, so that the few that pass meet in blocks.
inline constexpr std::size_t kFilteredChunk = 4 * kCropBlock;

// Runs the filter on crops [begin, end), and the network on those whose difference is not below `floor`.
// crop(first, count, out) writes the pixels of `count` crops.
template <class Crop>
void run_filtered(const CropNetwork& network, const CropFilter& filter, float floor, std::size_t begin, std::size_t end,
                  Crop crop, Worker& memory, const FilteredCrops& crops) {
    constexpr std::size_t kBlock = kCropBlock;
    const std::size_t size = network.crop_floats();
    float* const pixels = memory.crops.data();
    std::array<std::size_t, 2 * kBlock> waiting{};  // crops in memory that the network has not seen
    std::size_t n = 0;
    for (std::size_t first = begin; first < end; first += kBlock) {
        const std::size_t count = std::min(kBlock, end - first);
        float* const fresh = pixels + n * size;
        crop(first, count, fresh);
        filter.run(fresh, static_cast<int>(count), memory.bytes.data(), crops.differences + first);
        for (std::size_t k = 0; k < count; ++k) {
            const std::size_t i = first + k;
            crops.dropped[i] = crops.differences[i] < floor ? 1 : 0;
            if (crops.dropped[i] != 0 && !crops.keep_outputs) continue;
            if (pixels + n * size != fresh + k * size) {
                std::memcpy(pixels + n * size, fresh + k * size, size * sizeof(float));
            }
            waiting[n++] = i;
        }
        while (n >= kBlock || (n > 0 && first + kBlock >= end)) {
            const std::size_t taken = std::min(n, kBlock);
            std::array<float, kBlock * kCropOutputs> outputs{};
            network.kernel.run(network.weights, network.algorithm, pixels, static_cast<int>(taken),
                               memory.scratch.data(), outputs.data());
            for (std::size_t k = 0; k < taken; ++k) {
                std::copy_n(outputs.data() + k * kCropOutputs, kCropOutputs, crops.outputs + waiting[k] * kCropOutputs);
            }
            n -= taken;
            std::memmove(pixels, pixels + taken * size, n * size * sizeof(float));
            std::copy_n(waiting.begin() + static_cast<std::ptrdiff_t>(taken), n, waiting.begin());
        }
    }
}

}  // namespace mtcnn_fast::engine
