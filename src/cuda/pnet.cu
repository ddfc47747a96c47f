// A block computes a tile of cells of one level. Its maps live in two pieces of shared memory by turns: the level's
// pixels, then (in the second piece) the pooled first map, then (over the pixels) the second map; the third stays in
// registers, where the heads read it. Neighbouring tiles compute what they share twice.
//
// Weights come through the L1 cache: all threads of a warp read the same ones at a time. The cache returns a register
// of a warp a cycle, so a thread computes eight places for each weight that it reads.
#include "cuda/pnet.h"

#include "cuda/layers.h"
#include "cuda/pnet_tile.h"
#include "cuda/pnet_weights.h"
#include "cuda/shared_memory.h"

namespace mtcnn_fast::cuda {
namespace {

using L = PNetLayout;

constexpr int kPlaces2 = 6;  // adjacent outputs of a thread in the second convolution
constexpr int kPlaces3 = 8;  // and in the third
constexpr int kOutputs = 8;  // channels of a thread in both
constexpr int kShares3 = L::kChannels3 / kOutputs;
constexpr int kCellsTogether = 2;   // whose logits a thread computes at a time: more would exceed the registers
constexpr int kPooledTogether = 2;  // adjacent pooled places of a thread in the first convolution

template <int cells_x, int cells_y>
struct Tile {
    static constexpr int kCellsX = cells_x, kCellsY = cells_y, kCells = kCellsX * kCellsY;
    static constexpr int kThreads = kCells / kPlaces3 * kShares3;
    // Of a multiprocessor at least; more than two wide ones exceed its shared memory. They have 128 registers a thread.
    static constexpr int kResidentBlocks = 2;

    static constexpr int kInputX = 2 * kCellsX + 10, kInputY = 2 * kCellsY + 10;
    static constexpr int kInputStride = (kInputX + 3) / 4 * 4, kInputPlane = kInputY * kInputStride;
    static constexpr int kPooledX = kCellsX + 4, kPooledY = kCellsY + 4;
    static constexpr int kSecondX = kCellsX + 2, kSecondY = kCellsY + 2;
    static constexpr int kSecondAcross = (kSecondX + kPlaces2 - 1) / kPlaces2;
    // Rows are whole float4.
    static constexpr int kSecondStride = (kSecondX + 3) / 4 * 4;
    static constexpr int kPooledStride = kSecondStride + 4;
    static_assert(kSecondAcross * kPlaces2 <= kSecondStride && kPooledX % kPooledTogether == 0 &&
                  kPooledStride == kPooledX + 4);

    static constexpr int kInputFloats = 3 * kInputPlane;
    static constexpr int kSecondFloats = L::kChannels2 * kSecondY * kSecondStride;
    static constexpr int kFirstPiece = kInputFloats > kSecondFloats ? kInputFloats : kSecondFloats;
    static constexpr int kSecondPiece = L::kChannels1 * kPooledY * kPooledStride;
    static constexpr int kScratch = kSecondPiece;  // for `fill_input`
    static constexpr size_t kSharedMemory = (kFirstPiece + kSecondPiece) * sizeof(float);
    // Every share's part of the logits lies over both pieces.
    static_assert(kFirstPiece % 4 == 0 && kShares3 * L::kLogits * kCells <= kFirstPiece + kSecondPiece);

    // Pixel `i`, row by row, for `fill_input`.
    static __device__ __forceinline__ void put(float* input, int i, const float (&values)[3]) {
        float* const to = input + i / kInputX * kInputStride + i % kInputX;
        for (int c = 0; c < 3; ++c) to[c * kInputPlane] = values[c];
    }
};

using WideTile = Tile<32, 16>;
using NarrowTile = Tile<16, 16>;
// A part of either, for a warp.
using PartTile = Tile<kPNetPart, kPNetPart>;

// Adjacent numbers, the first at an even place, or whole float4 as far as they go.
template <bool whole, int count>
__device__ __forceinline__ void load_taps(const float* from, float (&to)[count]) {
    constexpr int kWhole = whole ? count / 4 * 4 : 0;
    MF_UNROLL
    for (int i = 0; i < kWhole; i += 4) {
        const float4 four = *reinterpret_cast<const float4*>(from + i);
        to[i] = four.x;
        to[i + 1] = four.y;
        to[i + 2] = four.z;
        to[i + 3] = four.w;
    }
    MF_UNROLL
    for (int i = kWhole; i < count; i += 2) {
        const float2 two = *reinterpret_cast<const float2*>(from + i);
        to[i] = two.x;
        to[i + 1] = two.y;
    }
}

// The numbers of a share of the first convolution's channels.
__device__ __forceinline__ void load_share(const float* from, float (&to)[L::kShare1]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x;
    to[1] = four.y;
    to[2] = four.z;
    to[3] = four.w;
    to[4] = from[4];
}

constexpr int kAcross1 = 2 * kPooledTogether;  // places of the first map that a row of adjacent windows looks at

// First convolution at the places of two adjacent windows, a share of the channels.
template <typename T>
__device__ __forceinline__ void first_sums(const float* input, const float* weights,
                                           float (&sums)[L::kShare1][2][kAcross1]) {
    float bias[L::kShare1];
    load_share(weights + L::kBias1, bias);
    MF_UNROLL
    for (int o = 0; o < L::kShare1; ++o) {
        for (int q = 0; q < 2 * kAcross1; ++q) sums[o][q / kAcross1][q % kAcross1] = bias[o];
    }
    MF_NO_UNROLL
    for (int c = 0; c < 3; ++c) {
        float patch[4][kAcross1 + 2];
        MF_UNROLL
        for (int y = 0; y < 4; ++y) {
            const float* const row = input + c * T::kInputPlane + y * T::kInputStride;
            const float4 near = *reinterpret_cast<const float4*>(row);
            const float2 far = *reinterpret_cast<const float2*>(row + 4);
            const float all[kAcross1 + 2] = {near.x, near.y, near.z, near.w, far.x, far.y};
            MF_UNROLL
            for (int x = 0; x < kAcross1 + 2; ++x) patch[y][x] = all[x];
        }
        MF_UNROLL
        for (int tap = 0; tap < 9; ++tap) {
            float weight[L::kShare1];
            load_share(weights + L::kConv1 + (c * 9 + tap) * L::kPadded1, weight);
            MF_UNROLL
            for (int o = 0; o < L::kShare1; ++o) {
                MF_UNROLL
                for (int q = 0; q < 2 * kAcross1; ++q) {
                    float& sum = sums[o][q / kAcross1][q % kAcross1];
                    sum = __fmaf_rn(patch[q / kAcross1 + tap / 3][q % kAcross1 + tap % 3], weight[o], sum);
                }
            }
        }
    }
}

// First convolution, PReLU and pooling of two adjacent places in the pooled map, half of the channels.
template <typename T>
__device__ __forceinline__ void first_map(const TileJob& job, const float* weights, const float* input, float* pooled) {
    constexpr int kPlane = T::kPooledY * T::kPooledStride, kAcross = T::kPooledX / kPooledTogether;
    constexpr int kPairs = T::kPooledY * kAcross;
    // Read, but for nothing that is written.
    for (int i = static_cast<int>(threadIdx.x); i < L::kChannels1 * T::kPooledY; i += T::kThreads) {
        *reinterpret_cast<float4*>(pooled + i * T::kPooledStride + T::kPooledX) = {0.0f, 0.0f, 0.0f, 0.0f};
    }
    for (int i = static_cast<int>(threadIdx.x); i < kPairs * 2; i += T::kThreads) {
        const int share = i / kPairs, y = i % kPairs / kAcross, x = i % kPairs % kAcross * kPooledTogether;
        const float* const own = weights + share * L::kShareStride1;
        float* const to = pooled + share * L::kShare1 * kPlane + y * T::kPooledStride + x;
        float sums[L::kShare1][2][kAcross1], slope[L::kShare1];
        first_sums<T>(input + 2 * y * T::kInputStride + 2 * x, own, sums);
        load_share(own + L::kSlope1, slope);
        // Rows and columns of the first map that the windows find.
        const int rows = job.level.height - 2 - 2 * (job.row + y), columns = job.level.width - 2 - 2 * (job.column + x);
        MF_UNROLL
        for (int o = 0; o < L::kShare1; ++o) {
            float best[kPooledTogether];
            MF_UNROLL
            for (int p = 0; p < kPooledTogether; ++p) {
                best[p] = prelu(sums[o][0][2 * p], slope[o]);
                MF_UNROLL
                for (int k = 1; k < 4; ++k) {
                    const float value = prelu(sums[o][k / 2][2 * p + k % 2], slope[o]);
                    // Beyond the map there is nothing.
                    if (k / 2 < rows && 2 * p + k % 2 < columns && value > best[p]) best[p] = value;
                }
            }
            *reinterpret_cast<float2*>(to + o * kPlane) = {best[0], best[1]};
        }
    }
    __syncthreads();
}

// Sums of a 3 x 3 convolution at adjacent places for some output channels.
template <int inputs, int all_outputs, int places>
__device__ __forceinline__ void convolve_map(const float* input, int plane, int stride, const float* weights,
                                             const float* bias, float (&sums)[kOutputs][places]) {
    const auto taps_at = [=](int c, int y, float (&taps)[places + 2]) {
        load_taps<places % 4 == 0>(input + c * plane + y * stride, taps);
    };
    convolve<3, Weights::kInTime>(inputs, taps_at, weights, all_outputs, bias, sums);
}

template <typename T>
__device__ __forceinline__ void second_map(const float* weights, const float* pooled, float* second) {
    constexpr int kPlaces = T::kSecondY * T::kSecondAcross;
    constexpr int kPlane = T::kSecondY * T::kSecondStride, kShares = L::kChannels2 / kOutputs;
    for (int i = static_cast<int>(threadIdx.x); i < kPlaces * kShares; i += T::kThreads) {
        const int first = i / kPlaces * kOutputs, y = i % kPlaces / T::kSecondAcross;
        const int x = i % kPlaces % T::kSecondAcross * kPlaces2;
        float sums[kOutputs][kPlaces2];
        convolve_map<L::kChannels1, L::kChannels2>(pooled + y * T::kPooledStride + x, T::kPooledY * T::kPooledStride,
                                                   T::kPooledStride, weights + L::kConv2 + first,
                                                   weights + L::kBias2 + first, sums);
        MF_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            const float slope = weights[L::kSlope2 + first + o];
            float* const to = second + (first + o) * kPlane + y * T::kSecondStride + x;
            MF_UNROLL
            for (int p = 0; p < kPlaces2; p += 2) {
                *reinterpret_cast<float2*>(to + p) = {prelu(sums[o][p], slope), prelu(sums[o][p + 1], slope)};
            }
        }
    }
    __syncthreads();
}

// What a share of the third map's channels adds to the logits of some of a thread's cells.
__device__ __forceinline__ void add_logits(const float* weights, int share, int first,
                                           const float (&sums)[kOutputs][kPlaces3],
                                           float (&logits)[L::kLogits][kCellsTogether]) {
    MF_UNROLL
    for (int k = 0; k < L::kLogits; ++k) {
        for (int p = 0; p < kCellsTogether; ++p) logits[k][p] = 0.0f;
    }
    MF_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
        // Not loaded as one array: with the sums and logits it would exceed the registers.
        const float slope = weights[L::kSlope3 + share * kOutputs + o];
        float head[L::kPaddedLogits];
        load(weights + L::kHeads + (share * kOutputs + o) * L::kPaddedLogits, head);
        MF_UNROLL
        for (int p = 0; p < kCellsTogether; ++p) {
            const float value = prelu(sums[o][first + p], slope);
            MF_UNROLL
            for (int k = 0; k < L::kLogits; ++k) logits[k][p] = __fmaf_rn(value, head[k], logits[k][p]);
        }
    }
}

// A quarter of the threads has a share of the channels; `logits` is [share][logit][cell], over the second map.
template <typename T>
__device__ __forceinline__ void third_map(const float* weights, const float* second, float* logits) {
    constexpr int kItems = T::kThreads / kShares3, kAcross = T::kCellsX / kPlaces3;
    const int share = static_cast<int>(threadIdx.x) / kItems, item = static_cast<int>(threadIdx.x) % kItems;
    const int y = item / kAcross, x = item % kAcross * kPlaces3, first = share * kOutputs;
    float sums[kOutputs][kPlaces3];
    convolve_map<L::kChannels2, L::kChannels3>(second + y * T::kSecondStride + x, T::kSecondY * T::kSecondStride,
                                               T::kSecondStride, weights + L::kConv3 + first,
                                               weights + L::kBias3 + first, sums);
    __syncthreads();
    MF_UNROLL
    for (int p = 0; p < kPlaces3; p += kCellsTogether) {
        float own[L::kLogits][kCellsTogether];
        add_logits(weights, share, p, sums, own);
        float* const to = logits + share * L::kLogits * T::kCells + y * T::kCellsX + x + p;
        MF_UNROLL
        for (int k = 0; k < L::kLogits; ++k) {
            *reinterpret_cast<float2*>(to + k * T::kCells) = {own[k][0], own[k][1]};
        }
    }
    __syncthreads();
}

__device__ __forceinline__ void write_cell(const PNetLevel& level, int row, int column, const float (&logits)[6],
                                           float* scores, float* offsets) {
    const int64_t cells = int64_t{level.rows} * level.columns, cell = int64_t{row} * level.columns + column;
    scores[level.first_cell + cell] = probability(logits[0], logits[1]);
    for (int k = 0; k < 4; ++k) offsets[4 * level.first_cell + k * cells + cell] = logits[2 + k];
}

// Neighbouring threads write neighbouring cells.
template <typename T>
__device__ __forceinline__ void write_cells(const TileJob& job, const float* weights, const float* logits,
                                            float* scores, float* offsets) {
    const PNetLevel& level = job.level;
    for (int cell = static_cast<int>(threadIdx.x); cell < T::kCells; cell += T::kThreads) {
        const int row = job.row + cell / T::kCellsX, column = job.column + cell % T::kCellsX;
        if (row >= level.rows || column >= level.columns) continue;
        float all[L::kLogits];
        for (int k = 0; k < L::kLogits; ++k) {
            all[k] = weights[L::kHeadBias + k];
            for (int share = 0; share < kShares3; ++share) {
                all[k] += logits[(share * L::kLogits + k) * T::kCells + cell];
            }
        }
        write_cell(level, row, column, all, scores, offsets);
    }
}

template <typename T>
__device__ __forceinline__ void compute_tile(const TileJob& job, TileBins<T>& bins, const float* weights, float* scores,
                                             float* offsets) {
    float* const first_piece = dynamic_shared_floats();
    float* const second_piece = first_piece + T::kFirstPiece;
    find_bins<T>(job, bins);
    fill_input<T>(job, bins, first_piece, second_piece);
    first_map<T>(job, weights, first_piece, second_piece);
    second_map<T>(weights, second_piece, first_piece);
    third_map<T>(weights, first_piece, first_piece);
    write_cells<T>(job, weights, first_piece, scores, offsets);
}

template <typename T>
__global__ void __launch_bounds__(T::kThreads, T::kResidentBlocks)
    pnet_kernel(PNetTables tables, const float* weights, float* scores, float* offsets) {
    __shared__ TileBins<T> bins;
    __shared__ TileJob job;
    if (threadIdx.x == 0) job = find_job(tables, blockIdx.x, T::kCellsX, T::kCellsY);
    __syncthreads();
    compute_tile<T>(job, bins, weights, scores, offsets);
}

// The parts of tiles that are wanted, a warp each.
template <typename T>
__global__ void __launch_bounds__(T::kThreads, T::kResidentBlocks)
    pnet_parts_kernel(PNetTables tables, int tile_width, int tile_height, const uint8_t* wanted, const float* weights,
                      float* scores, float* offsets) {
    static_assert(T::kThreads == kWarp);
    if (wanted[blockIdx.x] == 0) return;
    __shared__ TileBins<T> bins;
    __shared__ TileJob job;
    const int across = tile_width / T::kCellsX, parts = across * (tile_height / T::kCellsY);
    if (threadIdx.x == 0) {
        const int part = static_cast<int>(blockIdx.x) % parts;
        job = find_job(tables, static_cast<int>(blockIdx.x) / parts, tile_width, tile_height);
        job.row += part / across * T::kCellsY;
        job.column += part % across * T::kCellsX;
    }
    __syncthreads();
    compute_tile<T>(job, bins, weights, scores, offsets);
}

template <typename T>
constexpr PNetTileSize size_of_tile() {
    return {T::kCellsX, T::kCellsY, T::kSharedMemory};
}

template <typename T>
void launch_pnet(const PNetPlan& plan, const PNetArguments& a, cudaStream_t stream) {
    launch({"pnet", shapes_of(plan), dim3(plan.blocks()), T::kThreads, stream, T::kSharedMemory}, pnet_kernel<T>,
           pnet_tables(plan, a.tables), a.weights, a.scores, a.offsets);
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

void check_pnet(const PNetArguments& a) {
    require(a.tables != nullptr && a.weights != nullptr && a.scores != nullptr && a.offsets != nullptr,
            "tables, weights, scores and offsets must be device memory, got a null pointer");
    require(reinterpret_cast<uintptr_t>(a.weights) % sizeof(float4) == 0, "weights must be aligned to 16 bytes");
}

void pnet(const PNetPlan& plan, const PNetArguments& a, cudaStream_t stream) {
    if (plan.blocks() == 0) return;
    check_pnet(a);
    if (plan.tile().width == WideTile::kCellsX) {
        launch_pnet<WideTile>(plan, a, stream);
    } else {
        launch_pnet<NarrowTile>(plan, a, stream);
    }
}

void pnet_parts(const PNetPlan& plan, const PNetArguments& a, const uint8_t* wanted, cudaStream_t stream) {
    using T = PartTile;
    launch({"pnet_parts", shapes_of(plan), dim3(plan.parts()), T::kThreads, stream, T::kSharedMemory},
           pnet_parts_kernel<T>, pnet_tables(plan, a.tables), plan.tile().width, plan.tile().height, wanted, a.weights,
           a.scores, a.offsets);
}

}  // namespace mtcnn_fast::cuda
