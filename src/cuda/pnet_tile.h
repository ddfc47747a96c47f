// Which tile of which level a block of P-Net's kernels has. For kernels only.
#pragma once

#include <string>

#include "cuda/level_tile.h"
#include "cuda/pnet.h"

namespace mtcnn_fast::cuda {

struct PNetTables {
    const DeviceImage* images;
    const PNetLevel* levels;
    int level_count;
};

inline PNetTables pnet_tables(const PNetPlan& plan, const void* tables) {
    const char* const base = static_cast<const char*>(tables);
    return {reinterpret_cast<const DeviceImage*>(base), reinterpret_cast<const PNetLevel*>(base + plan.levels_at()),
            plan.levels()};
}

// For messages.
inline std::string shapes_of(const PNetPlan& plan) {
    return std::to_string(plan.images()) + " images, " + std::to_string(plan.levels()) + " levels";
}

// The last level that begins at or before this block.
__device__ __forceinline__ PNetLevel find_level(const PNetTables& tables, uint32_t block) {
    int low = 0, high = tables.level_count;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (tables.levels[middle].first_block <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return tables.levels[low];
}

// The plan's tile `block`, each of which has so many cells.
__device__ __forceinline__ TileJob find_job(const PNetTables& tables, uint32_t block, int width, int height) {
    const PNetLevel level = find_level(tables, block);
    const int tile = static_cast<int>(block - level.first_block);
    return {level, tables.images[level.image], tile / level.tiles_across * height, tile % level.tiles_across * width};
}

}  // namespace mtcnn_fast::cuda
