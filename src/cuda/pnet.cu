// A block computes a tile of cells of one level. Its maps live in two pieces of shared memory by turns: the level's
// pixels, then (in the second piece) the pooled first map, then (over the pixels) the second map; the third stays in
// registers, where the heads read it. Neighbouring tiles compute what they share twice.
//
// Weights come through the L1 cache: all threads of a warp read the same ones at a time.
#include "cuda/pnet.h"

#include "cuda/layers.h"
#include "cuda/pixels.h"
#include "cuda/pnet_weights.h"
#include "cuda/shared_memory.h"

namespace mtcnn_fast::cuda {
namespace {

using L = PNetLayout;

constexpr int kPixels = 4;          // adjacent outputs of a thread in the second and third convolution
constexpr int kOutputs2 = 8;        // channels of a thread in the second convolution
constexpr int kOutputs3 = 16;       // and in the third
constexpr int kTaps = kPixels + 2;  // inputs of adjacent outputs

template <int cells_x, int cells_y>
struct Tile {
    static constexpr int kCellsX = cells_x, kCellsY = cells_y, kCells = kCellsX * kCellsY;
    static constexpr int kThreads = kCells / kPixels * (L::kChannels3 / kOutputs3);
    // Of a multiprocessor, by registers: 128 a thread.
    static constexpr int kResidentBlocks = 512 / kThreads;

    static constexpr int kInputX = 2 * kCellsX + 10, kInputY = 2 * kCellsY + 10;
    static constexpr int kPooledX = kCellsX + 4, kPooledY = kCellsY + 4;
    static constexpr int kSecondX = kCellsX + 2, kSecondY = kCellsY + 2;
    // Outputs come four at a time: the last four may exceed the map, and what they read must be there.
    static constexpr int kSecondStride = (kSecondX + kPixels - 1) / kPixels * kPixels;
    static constexpr int kPooledStride = kSecondStride + kPixels;

    static constexpr int kInputFloats = 3 * kInputY * kInputX;
    static constexpr int kSecondFloats = L::kChannels2 * kSecondY * kSecondStride;
    static constexpr int kFirstPiece = ((kInputFloats > kSecondFloats ? kInputFloats : kSecondFloats) + 3) / 4 * 4;
    static constexpr int kPooledFloats = L::kChannels1 * kPooledY * kPooledStride;
    static constexpr int kLogitFloats = L::kLogits * kCells;
    static constexpr int kSecondPiece = kPooledFloats > kLogitFloats ? kPooledFloats : kLogitFloats;
    static constexpr size_t kSharedMemory = (kFirstPiece + kSecondPiece) * sizeof(float);
};

using WideTile = Tile<32, 16>;
using NarrowTile = Tile<16, 16>;

struct Tables {
    const DeviceImage* images;
    const PNetLevel* levels;
    int level_count;
};

// The last level that begins at or before this block.
__device__ __forceinline__ PNetLevel find_level(const Tables& tables, uint32_t block) {
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

// What a block works on; in shared memory, because registers are scarce. Its tile begins with the cell (row, column),
// and with the level's pixel at twice that place.
struct Job {
    PNetLevel level;
    DeviceImage image;
    int row;
    int column;
};

template <typename T>
__device__ __forceinline__ Job find_job(const Tables& tables, uint32_t block) {
    const PNetLevel level = find_level(tables, block);
    const int tile = static_cast<int>(block - level.first_block);
    return {level, tables.images[level.image], tile / level.tiles_across * T::kCellsY,
            tile % level.tiles_across * T::kCellsX};
}

// Six adjacent numbers, the first at a multiple of four.
__device__ __forceinline__ void load_taps(const float* from, float (&to)[kTaps]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    const float2 two = *reinterpret_cast<const float2*>(from + 4);
    to[0] = four.x;
    to[1] = four.y;
    to[2] = four.z;
    to[3] = four.w;
    to[4] = two.x;
    to[5] = two.y;
}

// The bins of the tile's rows and columns; beyond the level they are empty.
template <typename T>
struct Bins {
    int2 rows[T::kInputY];
    int2 columns[T::kInputX];
};

__device__ __forceinline__ int2 level_bin(int i, int32_t n_in, int32_t n_out) {
    if (i >= n_out) return {0, 0};
    const Bin bin = device_bin(i, n_in, n_out);
    return {static_cast<int>(bin.begin), static_cast<int>(bin.end)};
}

template <typename T>
__device__ __forceinline__ void find_bins(const Job& job, Bins<T>& bins) {
    for (int i = static_cast<int>(threadIdx.x); i < T::kInputY + T::kInputX; i += T::kThreads) {
        if (i < T::kInputY) {
            bins.rows[i] = level_bin(2 * job.row + i, job.image.height, job.level.height);
        } else {
            bins.columns[i - T::kInputY] = level_bin(2 * job.column + i - T::kInputY, job.image.width, job.level.width);
        }
    }
    __syncthreads();
}

// The level's pixels by channel, from the image; 0 beyond the level, where no cell that is written looks.
template <typename T>
__device__ __forceinline__ void fill_input(const Job& job, const Bins<T>& bins, float* input) {
    const DeviceImage image = job.image;
    const bool by_warp = job.level.by_warp != 0;
    constexpr int kPlane = T::kInputY * T::kInputX;
    const int sharers = by_warp ? kWarp : 1, lane = static_cast<int>(threadIdx.x) % sharers;
    for (int i = static_cast<int>(threadIdx.x) / sharers; i < kPlane; i += T::kThreads / sharers) {
        const int2 y = bins.rows[i / T::kInputX], x = bins.columns[i % T::kInputX];
        const Bin rows{y.x, y.y}, columns{x.x, x.y};
        const int64_t area = rows.size() * columns.size();
        float values[3] = {0.0f, 0.0f, 0.0f};
        if (area != 0) {
            const float inverse = inverse_area(area);
            if (by_warp) {
                uint64_t sums[3];
                sum_bin_by_warp(image, rows, columns, lane, sums);
                for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums[c], inverse);
            } else {
                const ChannelSums sums = sum_bin(image, rows, columns);
                for (int c = 0; c < 3; ++c) values[c] = normalise_sum(sums.c[c], inverse);
            }
        }
        if (lane != 0) continue;
        for (int c = 0; c < 3; ++c) input[c * kPlane + i] = values[c];
    }
    __syncthreads();
}

// First convolution, PReLU and pooling of one place in the pooled map, all channels. `right` and `below`: the windows'
// second column and row are in the map.
template <typename T>
__device__ __forceinline__ void first_at(const float* input, const float* weights, bool right, bool below,
                                         float (&pooled)[L::kPadded1]) {
    float sums[L::kPadded1][4];
    float bias[L::kPadded1], slope[L::kPadded1];
    load(weights + L::kBias1, bias);
    load(weights + L::kSlope1, slope);
    MF_UNROLL
    for (int o = 0; o < L::kChannels1; ++o) {
        for (int q = 0; q < 4; ++q) sums[o][q] = bias[o];
    }
    MF_NO_UNROLL
    for (int c = 0; c < 3; ++c) {
        float patch[4][4];
        MF_UNROLL
        for (int y = 0; y < 4; ++y) {
            const float* const row = input + (c * T::kInputY + y) * T::kInputX;
            const float2 near = *reinterpret_cast<const float2*>(row), far = *reinterpret_cast<const float2*>(row + 2);
            patch[y][0] = near.x;
            patch[y][1] = near.y;
            patch[y][2] = far.x;
            patch[y][3] = far.y;
        }
        MF_UNROLL
        for (int tap = 0; tap < 9; ++tap) {
            float weight[L::kPadded1];
            load(weights + L::kConv1 + (c * 9 + tap) * L::kPadded1, weight);
            MF_UNROLL
            for (int o = 0; o < L::kChannels1; ++o) {
                MF_UNROLL
                for (int q = 0; q < 4; ++q) {
                    sums[o][q] = __fmaf_rn(patch[q / 2 + tap / 3][q % 2 + tap % 3], weight[o], sums[o][q]);
                }
            }
        }
    }
    MF_UNROLL
    for (int o = 0; o < L::kChannels1; ++o) {
        float best = prelu(sums[o][0], slope[o]);
        const float other[3] = {prelu(sums[o][1], slope[o]), prelu(sums[o][2], slope[o]), prelu(sums[o][3], slope[o])};
        if (right && other[0] > best) best = other[0];
        if (below && other[1] > best) best = other[1];
        if (right && below && other[2] > best) best = other[2];
        pooled[o] = best;
    }
}

template <typename T>
__device__ __forceinline__ void first_map(const Job& job, const float* weights, const float* input, float* pooled) {
    constexpr int kPlane = T::kPooledY * T::kPooledStride;
    for (int i = static_cast<int>(threadIdx.x); i < kPlane; i += T::kThreads) {
        const int y = i / T::kPooledStride, x = i % T::kPooledStride;
        float values[L::kPadded1] = {};
        if (x < T::kPooledX) {
            const bool right = 2 * (job.column + x) + 1 < job.level.width - 2;
            const bool below = 2 * (job.row + y) + 1 < job.level.height - 2;
            first_at<T>(input + 2 * y * T::kInputX + 2 * x, weights, right, below, values);
        }
        MF_UNROLL
        for (int o = 0; o < L::kChannels1; ++o) pooled[o * kPlane + i] = values[o];
    }
    __syncthreads();
}

// Sums of a 3 x 3 convolution at four adjacent places for some output channels.
template <int inputs, int outputs, int all_outputs>
__device__ __forceinline__ void convolve_map(const float* input, int plane, int stride, const float* weights,
                                             const float* bias, float (&sums)[outputs][kPixels]) {
    const auto taps_at = [=](int c, int y, float (&taps)[kTaps]) { load_taps(input + c * plane + y * stride, taps); };
    convolve<3>(inputs, taps_at, weights, all_outputs, bias, sums);
}

template <typename T>
__device__ __forceinline__ void second_map(const float* weights, const float* pooled, float* second) {
    constexpr int kAcross = T::kSecondStride / kPixels, kPlaces = T::kSecondY * kAcross;
    constexpr int kPlane = T::kSecondY * T::kSecondStride, kShares = L::kChannels2 / kOutputs2;
    for (int i = static_cast<int>(threadIdx.x); i < kPlaces * kShares; i += T::kThreads) {
        const int first = i / kPlaces * kOutputs2, y = i % kPlaces / kAcross, x = i % kPlaces % kAcross * kPixels;
        float sums[kOutputs2][kPixels], slope[kOutputs2];
        convolve_map<L::kChannels1, kOutputs2, L::kChannels2>(
            pooled + y * T::kPooledStride + x, T::kPooledY * T::kPooledStride, T::kPooledStride,
            weights + L::kConv2 + first, weights + L::kBias2 + first, sums);
        load(weights + L::kSlope2 + first, slope);
        MF_UNROLL
        for (int o = 0; o < kOutputs2; ++o) {
            float4* const to = reinterpret_cast<float4*>(second + (first + o) * kPlane + y * T::kSecondStride + x);
            *to = {prelu(sums[o][0], slope[o]), prelu(sums[o][1], slope[o]), prelu(sums[o][2], slope[o]),
                   prelu(sums[o][3], slope[o])};
        }
    }
    __syncthreads();
}

// What a share of the third map's channels adds to the logits of four cells.
template <typename T>
__device__ __forceinline__ void third_logits(const float* weights, const float* second, int share, int y, int x,
                                             float (&logits)[L::kPaddedLogits][kPixels]) {
    const int first = share * kOutputs3;
    float sums[kOutputs3][kPixels], bias[L::kPaddedLogits];
    convolve_map<L::kChannels2, kOutputs3, L::kChannels3>(
        second + y * T::kSecondStride + x, T::kSecondY * T::kSecondStride, T::kSecondStride,
        weights + L::kConv3 + first, weights + L::kBias3 + first, sums);
    load(weights + L::kHeadBias, bias);
    MF_UNROLL
    for (int k = 0; k < L::kLogits; ++k) {
        for (int p = 0; p < kPixels; ++p) logits[k][p] = share == 0 ? bias[k] : 0.0f;
    }
    MF_UNROLL
    for (int o = 0; o < kOutputs3; ++o) {
        // Not loaded as one array: with the sums and logits it would exceed the registers.
        const float slope = weights[L::kSlope3 + first + o];
        float head[L::kPaddedLogits];
        load(weights + L::kHeads + (first + o) * L::kPaddedLogits, head);
        MF_UNROLL
        for (int p = 0; p < kPixels; ++p) {
            const float value = prelu(sums[o][p], slope);
            MF_UNROLL
            for (int k = 0; k < L::kLogits; ++k) logits[k][p] = __fmaf_rn(value, head[k], logits[k][p]);
        }
    }
}

__device__ __forceinline__ void write_cell(const PNetLevel& level, int row, int column, const float (&logits)[6],
                                           float* scores, float* offsets) {
    const int64_t cells = int64_t{level.rows} * level.columns, cell = int64_t{row} * level.columns + column;
    scores[level.first_cell + cell] = probability(logits[0], logits[1]);
    for (int k = 0; k < 4; ++k) offsets[4 * level.first_cell + k * cells + cell] = logits[2 + k];
}

// Half of the threads have the first share of the channels and half the second, which the first adds to its own.
template <typename T>
__device__ __forceinline__ void third_map(const Job& job, const float* weights, const float* second,
                                          float* shared_logits, float* scores, float* offsets) {
    constexpr int kHalf = T::kThreads / 2, kAcross = T::kCellsX / kPixels;
    const int share = static_cast<int>(threadIdx.x) / kHalf, item = static_cast<int>(threadIdx.x) % kHalf;
    const int y = item / kAcross, x = item % kAcross * kPixels;
    float logits[L::kPaddedLogits][kPixels];
    third_logits<T>(weights, second, share, y, x, logits);
    float* const mine = shared_logits + y * T::kCellsX + x;
    if (share == 1) {
        MF_UNROLL
        for (int k = 0; k < L::kLogits; ++k) {
            *reinterpret_cast<float4*>(mine + k * T::kCells) = {logits[k][0], logits[k][1], logits[k][2], logits[k][3]};
        }
    }
    __syncthreads();
    const PNetLevel& level = job.level;
    if (share == 1 || job.row + y >= level.rows) return;
    MF_UNROLL
    for (int p = 0; p < kPixels; ++p) {
        float all[L::kLogits];
        for (int k = 0; k < L::kLogits; ++k) all[k] = logits[k][p] + mine[k * T::kCells + p];
        const int column = job.column + x + p;
        if (column < level.columns) write_cell(level, job.row + y, column, all, scores, offsets);
    }
}

template <typename T>
__global__ void __launch_bounds__(T::kThreads, T::kResidentBlocks)
    pnet_kernel(Tables tables, const float* weights, float* scores, float* offsets) {
    __shared__ Bins<T> bins;
    __shared__ Job job;
    if (threadIdx.x == 0) job = find_job<T>(tables, blockIdx.x);
    __syncthreads();
    float* const first_piece = dynamic_shared_floats();
    float* const second_piece = first_piece + T::kFirstPiece;
    find_bins<T>(job, bins);
    fill_input<T>(job, bins, first_piece);
    first_map<T>(job, weights, first_piece, second_piece);
    second_map<T>(weights, second_piece, first_piece);
    third_map<T>(job, weights, first_piece, second_piece, scores, offsets);
}

template <typename T>
constexpr PNetTileSize size_of_tile() {
    return {T::kCellsX, T::kCellsY, T::kSharedMemory};
}

template <typename T>
void launch_pnet(const PNetPlan& plan, const Tables& tables, const PNetArguments& a, cudaStream_t stream) {
    const std::string shapes = std::to_string(plan.images()) + " images, " + std::to_string(plan.levels()) + " levels";
    launch({"pnet", shapes, dim3(plan.blocks()), T::kThreads, stream, T::kSharedMemory}, pnet_kernel<T>, tables,
           a.weights, a.scores, a.offsets);
}

}  // namespace

PNetTileSize pnet_tile(size_t shared_memory) {
    for (const PNetTileSize& tile : {size_of_tile<WideTile>(), size_of_tile<NarrowTile>()}) {
        // What the bins and the system take beside it is below 2 KB.
        if (tile.shared_memory + 2048 <= shared_memory) return tile;
    }
    require(false, "shared_memory must be at least " + std::to_string(NarrowTile::kSharedMemory + 2048) +
                       " bytes, got " + std::to_string(shared_memory));
    return {};
}

void pnet(const PNetPlan& plan, const PNetArguments& a, cudaStream_t stream) {
    if (plan.blocks() == 0) return;
    require(a.tables != nullptr && a.weights != nullptr && a.scores != nullptr && a.offsets != nullptr,
            "tables, weights, scores and offsets must be device memory, got a null pointer");
    require(reinterpret_cast<uintptr_t>(a.weights) % sizeof(float4) == 0, "weights must be aligned to 16 bytes");
    const char* const base = static_cast<const char*>(a.tables);
    const Tables tables{reinterpret_cast<const DeviceImage*>(base),
                        reinterpret_cast<const PNetLevel*>(base + plan.levels_at()), plan.levels()};
    if (plan.tile().width == WideTile::kCellsX) {
        launch_pnet<WideTile>(plan, tables, a, stream);
    } else {
        launch_pnet<NarrowTile>(plan, tables, a, stream);
    }
}

}  // namespace mtcnn_fast::cuda
