#include "cuda/resize_pyramid.h"

#include "cuda/pixels.h"

namespace mtcnn_fast::cuda {
namespace {

struct Tables {
    const DeviceImage* images;
    const ResizeLevel* levels;
    const ResizeRun* runs;
    int run_count;
};

// The last run that begins at or before this block.
__device__ __forceinline__ ResizeRun find_run(const Tables& tables, uint32_t block) {
    int low = 0, high = tables.run_count;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (tables.runs[middle].first_block <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return tables.runs[low];
}

template <typename Out>
__device__ __forceinline__ void resize_tile(const DeviceImage& image, const ResizeLevel& level, uint32_t tile,
                                            Out* out) {
    const uint32_t across = (level.width + kTileWidth - 1) / kTileWidth;
    const int32_t x = static_cast<int32_t>(tile % across * kTileWidth + threadIdx.x % kTileWidth);
    const int32_t y = static_cast<int32_t>(tile / across * kTileHeight + threadIdx.x / kTileWidth);
    if (x >= level.width || y >= level.height) return;
    const Bin rows = device_bin(y, image.height, level.height);
    const Bin columns = device_bin(x, image.width, level.width);
    const ChannelSums sums = sum_bin(image, rows, columns);
    const float inverse = inverse_area(rows.size() * columns.size());
    const int64_t plane = int64_t{level.height} * level.width;
    Out* to = out + level.offset + int64_t{y} * level.width + x;
    for (int c = 0; c < 3; ++c) store(to + c * plane, normalise_sum(sums.c[c], inverse));
}

template <typename Out>
__device__ __forceinline__ void resize_by_warp(const DeviceImage& image, const ResizeLevel& level, uint32_t tile,
                                               Out* out) {
    const int lane = static_cast<int>(threadIdx.x % kWarp);
    const int64_t plane = int64_t{level.height} * level.width;
    const int64_t output = int64_t{tile} * kWarpTile + threadIdx.x / kWarp;
    if (output >= plane) return;
    const Bin rows = device_bin(output / level.width, image.height, level.height);
    const Bin columns = device_bin(output % level.width, image.width, level.width);
    uint64_t sums[3];
    sum_bin_by_warp(image, rows, columns, lane, sums);
    if (lane != 0) return;
    const float inverse = inverse_area(rows.size() * columns.size());
    for (int c = 0; c < 3; ++c) store(out + level.offset + c * plane + output, normalise_sum(sums[c], inverse));
}

template <typename Out>
__global__ void __launch_bounds__(kResizeThreads) resize_pyramid_kernel(Tables tables, Out* out) {
    const ResizeRun run = find_run(tables, blockIdx.x);
    const ResizeLevel level = tables.levels[run.level];
    const DeviceImage image = tables.images[level.image];
    const uint32_t tile = run.first_tile + (blockIdx.x - run.first_block);
    if (level.by_warp) {
        resize_by_warp(image, level, tile, out);
    } else {
        resize_tile(image, level, tile, out);
    }
}

}  // namespace

void resize_pyramid(const ResizePlan& plan, const void* device_plan, void* out, DType dtype, cudaStream_t stream) {
    if (plan.blocks() == 0) return;
    require(device_plan != nullptr, "device_plan must be the plan's bytes in device memory, got a null pointer");
    require(out != nullptr, "out must be device memory, got a null pointer");
    const char* base = static_cast<const char*>(device_plan);
    const Tables tables{reinterpret_cast<const DeviceImage*>(base + plan.images_at()),
                        reinterpret_cast<const ResizeLevel*>(base + plan.levels_at()),
                        reinterpret_cast<const ResizeRun*>(base + plan.runs_at()), plan.runs()};
    const Launch how{"resize_pyramid",
                     std::to_string(plan.images()) + " images, " + std::to_string(plan.levels()) + " levels",
                     dim3(plan.blocks()), kResizeThreads, stream};
    if (dtype == DType::kFloat32) {
        launch(how, resize_pyramid_kernel<float>, tables, static_cast<float*>(out));
    } else {
        launch(how, resize_pyramid_kernel<__half>, tables, static_cast<__half*>(out));
    }
}

}  // namespace mtcnn_fast::cuda
