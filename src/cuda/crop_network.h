// The fused R-Net and O-Net: from 8-bit images and boxes to scores, offsets and landmarks, in two launches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda/crop_pad_resize.h"
#include "cuda/host_tensors.h"

namespace mtcnn_fast::cuda {

// A layer in the packed weights, in floats: [input][row][column][padded outputs], then padded biases, then padded
// slopes. Padding is zeros. The number of channels is the weights'; sides and kernels are the network's.
struct CropLayer {
    int inputs;
    int outputs;
    int padded;
    int weights;
    int bias;
    int slope;
};

struct CropNetworkLayout {
    CropLayer first;
    CropLayer second;
    CropLayer third;  // O-Net only
    CropLayer last;   // 2 x 2
    CropLayer dense;  // inputs column by column, channels fastest
    CropLayer heads;  // two classes, four offsets, O-Net's ten landmarks; no slopes
};

// What the convolutions leave of a crop for the last one: 4 x 4 places of each channel.
inline constexpr int kMapSide = 4, kMapPlaces = kMapSide * kMapSide;
// What the last convolution leaves: 3 x 3.
inline constexpr int kLastSide = kMapSide - 1, kLastPlaces = kLastSide * kLastSide;

// How many pooled rows a block of the convolutions computes at a time: more need more shared memory.
struct CropBand {
    int side;  // of the crops
    int rows;
    size_t shared_memory;  // bytes
};

class CropNetwork {
  public:
    // `name` is "rnet" or "onet". Throws std::invalid_argument that names the tensor if one is missing or does not fit
    // the others, or if a block needs more than `shared_memory` bytes.
    CropNetwork(const std::string& name, const HostTensors& tensors, size_t shared_memory);

    // What the caller copies to the device, aligned to 16 bytes.
    const std::vector<float>& packed() const { return packed_; }
    const CropNetworkLayout& layout() const { return layout_; }
    const CropBand& band() const { return band_; }
    const std::string& name() const { return name_; }
    bool has_landmarks() const { return layout_.heads.outputs > 6; }
    // What lets `length` boxes go through at once, up to a number above which there is nothing to gain.
    size_t workspace_size(int64_t length) const;
    // Bytes of a crop in the workspace.
    size_t map_bytes() const;

  private:
    void add_products(CropLayer& layer, const std::string& name, int kernel, const std::string& slope);
    void add_dense();
    void add_heads(const std::vector<std::string>& names);
    void place(CropLayer& layer, int taps);

    std::string name_;
    const HostTensors* tensors_ = nullptr;  // while it is made
    CropNetworkLayout layout_{};
    CropBand band_{};
    std::vector<float> packed_;
};

struct CropNetworkArguments : CropList {
    const float* weights;  // CropNetwork::packed in device memory
    float* scores;         // (capacity) probability of a face
    Box* offsets;          // (capacity)
    float* points;         // (capacity, 10) landmarks: five x, then five y; null for R-Net
    uint8_t* valid;        // (capacity) 1 if the box has a pixel inside its image
};

// Crops every box and runs the network on it. An invalid box, or one beyond `count`, gives zeros. A crop's sums have
// one order, so its result depends neither on the batch nor on its place in it.
void run_crop_network(const CropNetwork& network, const CropNetworkArguments& arguments, void* workspace,
                      size_t workspace_size, cudaStream_t stream);

// Crops of a block that computes scores.
inline constexpr int kCropsTogether = 8;

// Boxes [first, first + length) of a list, and where their maps go.
struct CropPart {
    int64_t first;
    int64_t length;
    float* maps;
};

// The two launches. Defined in crop_features.cu and crop_scores.cu.
CropBand crop_band(const std::string& name, const CropNetworkLayout& layout, size_t shared_memory);
void compute_crop_features(const CropNetwork& network, const CropNetworkArguments& a, const CropPart& part,
                           cudaStream_t stream);
void compute_crop_scores(const CropNetwork& network, const CropNetworkArguments& a, const CropPart& part,
                         cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
