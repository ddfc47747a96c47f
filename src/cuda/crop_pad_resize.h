#pragma once

#include "common/crop_window.h"
#include "cuda/images.h"
#include "cuda/launch.h"

namespace mtcnn_fast::cuda {

inline constexpr int kMaxCropSize = 256;

// What is cropped from which image.
struct CropList {
    const DeviceImage* images;  // table in device memory
    int image_count;
    const Box* boxes;            // (capacity) corners before truncation
    const int32_t* image_index;  // (capacity) image of each box
    const int32_t* count;        // boxes in use, in device memory; null: all
    int64_t capacity;
    Border border;
};

struct CropArguments : CropList {
    int size;   // side of a crop, 1 to 256
    void* out;  // (capacity, 3, size, size), about [-1, 1]
    DType dtype;
    uint8_t* valid;  // (capacity) 1 if the box has a pixel inside its image
};

// Crops and resizes every box in one launch. An invalid box, or one beyond `count`, gives zeros and valid 0.
void crop_pad_resize(const CropArguments& arguments, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
