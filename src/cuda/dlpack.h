// The parts of DLPack's C structures that reading a tensor needs (https://dmlc.github.io/dlpack/latest/c_api.html).
#pragma once

#include <stdint.h>

namespace mtcnn_fast::cuda::dlpack {

inline constexpr uint32_t kMajor = 1;  // version of the structures below that carry one
inline constexpr int32_t kCuda = 2;
inline constexpr int32_t kCudaManaged = 13;
inline constexpr uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBool = 6;
inline constexpr uint64_t kReadOnly = 1;

struct Device {
    int32_t type;
    int32_t id;
};

struct DataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
};

struct Tensor {
    void* data;
    Device device;
    int32_t ndim;
    DataType dtype;
    int64_t* shape;
    int64_t* strides;  // in elements; null: C-contiguous
    uint64_t byte_offset;
};

// A capsule named "dltensor".
struct ManagedTensor {
    Tensor tensor;
    void* context;
    void (*deleter)(ManagedTensor*);
};

// A capsule named "dltensor_versioned".
struct ManagedTensorVersioned {
    uint32_t major;
    uint32_t minor;
    void* context;
    void (*deleter)(ManagedTensorVersioned*);
    uint64_t flags;
    Tensor tensor;
};

}  // namespace mtcnn_fast::cuda::dlpack
