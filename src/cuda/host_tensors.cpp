#include "cuda/host_tensors.h"

#include "cuda/errors.h"

namespace mtcnn_fast::cuda {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text;
    for (const int64_t n : shape) text += (text.empty() ? "(" : ", ") + std::to_string(n);
    return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace

const HostTensor& find_tensor(const HostTensors& tensors, const std::string& name) {
    const auto found = tensors.find(name);
    require(found != tensors.end(), "weights must have a tensor '" + name + "'");
    return found->second;
}

const HostTensor& find_tensor(const HostTensors& tensors, const std::string& name, const std::vector<int64_t>& shape) {
    const HostTensor& tensor = find_tensor(tensors, name);
    require(tensor.shape == shape,
            "weights' tensor '" + name + "' must be " + shape_text(shape) + ", got " + shape_text(tensor.shape));
    return tensor;
}

void pack_products(const HostTensor& source, int outputs, int inputs, int padded, int first, float* packed) {
    for (int o = 0; o < outputs; ++o) {
        for (int i = 0; i < inputs; ++i) packed[i * padded + first + o] = source.data[o * inputs + i];
    }
}

void copy_tensor(const HostTensor& source, float* packed) {
    int64_t count = 1;
    for (const int64_t n : source.shape) count *= n;
    for (int64_t i = 0; i < count; ++i) packed[i] = source.data[i];
}

}  // namespace mtcnn_fast::cuda
