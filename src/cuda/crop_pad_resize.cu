#include "cuda/crop_pad_resize.h"

#include "cuda/crop_axes.h"

namespace mtcnn_fast::cuda {
namespace {

// Outputs of a block: divides the 576 of R-Net's crops and the 2,304 of O-Net's, and keeps 16-byte stores whole.
constexpr int kCropThreads = 192;

template <typename Out>
__device__ __forceinline__ void fill_by_thread(const DeviceImage& image, const CropWindow& window, int size, int first,
                                               Out (&stage)[3][kCropThreads]) {
    const int output = first + static_cast<int>(threadIdx.x);
    if (output >= size * size) return;
    const Axis y = crop_axis(window.y, output / size, size), x = crop_axis(window.x, output % size, size);
    const ChannelSums sums = sum_bin(image, y.inside, x.inside);
    const float inverse = inverse_area(y.bin.size() * x.bin.size());
    for (int c = 0; c < 3; ++c) store(&stage[c][threadIdx.x], normalise_sum(sums.c[c], inverse));
}

template <typename Out>
__device__ __forceinline__ void fill_by_warp(const DeviceImage& image, const CropWindow& window, int size, int first,
                                             Out (&stage)[3][kCropThreads]) {
    const int lane = static_cast<int>(threadIdx.x % kWarp);
    for (int slot = static_cast<int>(threadIdx.x / kWarp); slot < kCropThreads; slot += kCropThreads / kWarp) {
        const int output = first + slot;
        if (output >= size * size) return;
        const Axis y = crop_axis(window.y, output / size, size), x = crop_axis(window.x, output % size, size);
        uint64_t sums[3];
        sum_bin_by_warp(image, y.inside, x.inside, lane, sums);
        const float inverse = inverse_area(y.bin.size() * x.bin.size());
        if (lane < 3)
            store(&stage[lane][slot], normalise_sum(lane == 0 ? sums[0] : lane == 1 ? sums[1] : sums[2], inverse));
    }
}

// Writes the staged outputs [first, first + 192) of the three planes, 16 bytes a thread where the planes allow it.
template <typename Out>
__device__ __forceinline__ void flush(const Out (&stage)[3][kCropThreads], Out* crop, int plane, int first) {
    constexpr int kPack = static_cast<int>(sizeof(uint4) / sizeof(Out));
    const int room = plane - first < kCropThreads ? plane - first : kCropThreads;
    if (plane % kPack == 0) {
        const int packs = room / kPack;
        for (int i = static_cast<int>(threadIdx.x); i < 3 * packs; i += kCropThreads) {
            const int c = i / packs, pack = i % packs;
            reinterpret_cast<uint4*>(crop + c * plane + first)[pack] = reinterpret_cast<const uint4*>(stage[c])[pack];
        }
        return;
    }
    for (int i = static_cast<int>(threadIdx.x); i < room; i += kCropThreads) {
        for (int c = 0; c < 3; ++c) crop[c * plane + first + i] = stage[c][i];
    }
}

template <typename Out>
__global__ void __launch_bounds__(kCropThreads) crop_pad_resize_kernel(CropArguments a, int chunks) {
    alignas(16) __shared__ Out stage[3][kCropThreads];
    const int64_t candidate = blockIdx.x / chunks;
    const int first = static_cast<int>(blockIdx.x % chunks) * kCropThreads;
    const int plane = a.size * a.size;
    DeviceImage image;
    CropWindow window;
    const bool valid = find_window(a, candidate, image, window);
    if (!valid) {
        for (int c = 0; c < 3; ++c) stage[c][threadIdx.x] = Out{};
    } else if (shares_bins(window, a.size)) {
        fill_by_warp(image, window, a.size, first, stage);
    } else {
        fill_by_thread(image, window, a.size, first, stage);
    }
    if (first == 0 && threadIdx.x == 0) a.valid[candidate] = valid;
    __syncthreads();
    flush(stage, static_cast<Out*>(a.out) + candidate * 3 * plane, plane, first);
}

}  // namespace

void crop_pad_resize(const CropArguments& a, cudaStream_t stream) {
    require(a.capacity >= 0, "boxes must not have a negative length");
    require(a.size >= 1 && a.size <= kMaxCropSize,
            "size must be from 1 to " + std::to_string(kMaxCropSize) + ", got " + std::to_string(a.size));
    if (a.capacity == 0) return;
    require(
        a.images != nullptr && a.boxes != nullptr && a.image_index != nullptr && a.out != nullptr && a.valid != nullptr,
        "images, boxes, image_index, out and valid must be device memory, got a null pointer");
    require(reinterpret_cast<uintptr_t>(a.out) % sizeof(uint4) == 0, "out must be aligned to 16 bytes");
    const int chunks = divide_up(a.size * a.size, kCropThreads);
    const int64_t blocks = a.capacity * chunks;
    require(blocks < kNarrow, "boxes: " + std::to_string(a.capacity) + " crops of " + std::to_string(a.size) + " x " +
                                  std::to_string(a.size) + " are more than one launch can hold");
    const Launch how{"crop_pad_resize",
                     std::to_string(a.capacity) + " boxes, size " + std::to_string(a.size) + ", " +
                         std::to_string(a.image_count) + " images",
                     dim3(static_cast<unsigned>(blocks)), kCropThreads, stream};
    if (a.dtype == DType::kFloat32) {
        launch(how, crop_pad_resize_kernel<float>, a, chunks);
    } else {
        launch(how, crop_pad_resize_kernel<__half>, a, chunks);
    }
}

}  // namespace mtcnn_fast::cuda
