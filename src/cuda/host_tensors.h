// A network's tensors in host memory, and how kernels want them: output channels innermost, padded with zeros.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mtcnn_fast::cuda {

struct HostTensor {
    const float* data;  // C-contiguous
    std::vector<int64_t> shape;
};

// By the names of the weights files (mtcnn_fast.weights.spec).
using HostTensors = std::map<std::string, HostTensor>;

// Throws std::invalid_argument that names the tensor if it is missing.
const HostTensor& find_tensor(const HostTensors& tensors, const std::string& name);

// The same if it has another shape.
const HostTensor& find_tensor(const HostTensors& tensors, const std::string& name, const std::vector<int64_t>& shape);

// (outputs, inputs) to [input][padded outputs], into which `first` outputs have gone already. A convolution's inputs
// are its channels, rows and columns.
void pack_products(const HostTensor& source, int outputs, int inputs, int padded, int first, float* packed);

void copy_tensor(const HostTensor& source, float* packed);

}  // namespace mtcnn_fast::cuda
