#include "cuda/crop_network.h"

#include <algorithm>

#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

// Kernels compute up to eight output channels in a thread.
constexpr int kOutputsTogether = 8;
// Boxes whose maps take 100 MB (R-Net) and 134 MB: enough to fill any device.
constexpr int64_t kMostAtOnce = 32768;

// The length of a weight's first dimension; the others are checked with it.
int outputs_of(const HostTensors& tensors, const std::string& name) {
    const HostTensor& tensor = find_tensor(tensors, name);
    require(!tensor.shape.empty() && tensor.shape[0] >= 1, "weights' tensor '" + name + "' must not be empty");
    return static_cast<int>(tensor.shape[0]);
}

}  // namespace

CropNetwork::CropNetwork(const std::string& name, const HostTensors& tensors, size_t shared_memory)
    : name_(name), tensors_(&tensors) {
    require(name == "rnet" || name == "onet", "name must be 'rnet' or 'onet', got '" + name + "'");
    CropNetworkLayout& l = layout_;
    l.first.inputs = 3;
    add_products(l.first, "conv1", 3, "prelu1");
    l.second.inputs = l.first.outputs;
    add_products(l.second, "conv2", 3, "prelu2");
    if (name == "rnet") {
        l.last.inputs = l.second.outputs;
        add_products(l.last, "conv3", 2, "prelu3");
        add_dense();
        add_heads({"dense5_1", "dense5_2"});
    } else {
        l.third.inputs = l.second.outputs;
        add_products(l.third, "conv3", 3, "prelu3");
        l.last.inputs = l.third.outputs;
        add_products(l.last, "conv4", 2, "prelu4");
        add_dense();
        add_heads({"dense6_1", "dense6_2", "dense6_3"});
    }
    tensors_ = nullptr;
    band_ = crop_band(name, layout_, shared_memory);
}

void CropNetwork::place(CropLayer& layer, int taps) {
    layer.padded = round_up(layer.outputs, kOutputsTogether);
    layer.weights = static_cast<int>(packed_.size());
    layer.bias = layer.weights + layer.inputs * taps * layer.padded;
    layer.slope = layer.bias + layer.padded;
    packed_.resize(layer.slope + layer.padded, 0.0f);
}

void CropNetwork::add_products(CropLayer& layer, const std::string& name, int kernel, const std::string& slope) {
    layer.outputs = outputs_of(*tensors_, name + ".weight");
    place(layer, kernel * kernel);
    const HostTensor& weight = find_tensor(*tensors_, name + ".weight", {layer.outputs, layer.inputs, kernel, kernel});
    pack_products(weight, layer.outputs, layer.inputs * kernel * kernel, layer.padded, 0, &packed_[layer.weights]);
    copy_tensor(find_tensor(*tensors_, name + ".bias", {layer.outputs}), &packed_[layer.bias]);
    copy_tensor(find_tensor(*tensors_, slope + ".weight", {layer.outputs}), &packed_[layer.slope]);
}

// Its inputs come four at a time, so they are padded too.
void CropNetwork::add_dense() {
    const std::string number = name_ == "rnet" ? "4" : "5";
    CropLayer& layer = layout_.dense;
    const int inputs = kLastPlaces * layout_.last.outputs;
    layer.inputs = round_up(inputs, 4);
    layer.outputs = outputs_of(*tensors_, "dense" + number + ".weight");
    place(layer, 1);
    const HostTensor& weight = find_tensor(*tensors_, "dense" + number + ".weight", {layer.outputs, inputs});
    pack_products(weight, layer.outputs, inputs, layer.padded, 0, &packed_[layer.weights]);
    copy_tensor(find_tensor(*tensors_, "dense" + number + ".bias", {layer.outputs}), &packed_[layer.bias]);
    copy_tensor(find_tensor(*tensors_, "prelu" + number + ".weight", {layer.outputs}), &packed_[layer.slope]);
}

void CropNetwork::add_heads(const std::vector<std::string>& names) {
    constexpr int kOutputs[3] = {2, 4, 10};
    CropLayer& layer = layout_.heads;
    layer.inputs = layout_.dense.outputs;
    for (size_t i = 0; i < names.size(); ++i) layer.outputs += kOutputs[i];
    place(layer, 1);
    int first = 0;
    for (size_t i = 0; i < names.size(); ++i) {
        const int outputs = kOutputs[i];
        const HostTensor& weight = find_tensor(*tensors_, names[i] + ".weight", {outputs, layer.inputs});
        pack_products(weight, outputs, layer.inputs, layer.padded, first, &packed_[layer.weights]);
        copy_tensor(find_tensor(*tensors_, names[i] + ".bias", {outputs}), &packed_[layer.bias + first]);
        first += outputs;
    }
}

size_t CropNetwork::map_bytes() const { return sizeof(float) * layout_.last.inputs * kMapPlaces; }

size_t CropNetwork::workspace_size(int64_t length) const {
    require(length >= 0, "length must not be negative, got " + std::to_string(length));
    return static_cast<size_t>(std::min(length, kMostAtOnce)) * map_bytes();
}

void run_crop_network(const CropNetwork& network, const CropNetworkArguments& a, void* workspace, size_t workspace_size,
                      cudaStream_t stream) {
    require(a.capacity >= 0, "boxes must not have a negative length");
    if (a.capacity == 0) return;
    const auto room = static_cast<int64_t>(workspace_size / network.map_bytes());
    const int64_t together = room >= a.capacity ? a.capacity : room / kCropsTogether * kCropsTogether;
    require(together > 0, "workspace must have at least " +
                              std::to_string(network.map_bytes() * std::min<int64_t>(a.capacity, kCropsTogether)) +
                              " bytes, got " + std::to_string(workspace_size));
    require(together < (int64_t{1} << 31), "workspace must not hold more boxes than one launch does");
    require(
        a.images != nullptr && a.boxes != nullptr && a.image_index != nullptr && a.weights != nullptr &&
            a.scores != nullptr && a.offsets != nullptr && a.valid != nullptr && workspace != nullptr,
        "images, boxes, image_index, weights, scores, offsets, valid and workspace must be device memory, got a null "
        "pointer");
    require((a.points != nullptr) == network.has_landmarks(), "points must be given for O-Net and None for R-Net");
    require(reinterpret_cast<uintptr_t>(a.weights) % sizeof(float4) == 0, "weights must be aligned to 16 bytes");
    require(reinterpret_cast<uintptr_t>(workspace) % kAlignment == 0,
            "workspace must be aligned to " + std::to_string(kAlignment) + " bytes");
    for (int64_t first = 0; first < a.capacity; first += together) {
        const CropPart part{first, std::min(together, a.capacity - first), static_cast<float*>(workspace)};
        compute_crop_features(network, a, part, stream);
        compute_crop_scores(network, a, part, stream);
    }
}

}  // namespace mtcnn_fast::cuda
