// P-Net by tensor cores. A block computes a tile of cells of one level, as in pnet.cu: the level's pixels and later the
// second map in one piece of shared memory, the pooled first map in another, the third map in registers. All three maps
// are half precision, sums are float32. A warp decides one part of the tile, 8 x 8 cells.
//
// A place of a map has 16 channels, in two planes of 8: then eight adjacent places, which the lanes of a warp read at a
// time, lie in different banks.
#include "cuda/pnet_filter.h"

#include "cuda/layers.h"
#include "cuda/mma.h"
#include "cuda/pnet_tile.h"
#include "cuda/shared_memory.h"

namespace mtcnn_fast::cuda {
namespace {

using F = PNetFilterLayout;

constexpr int kPlaceWords = 4;  // of a place in a plane
constexpr int kTogether = 2;    // matrices of 16 places that a warp computes with the same weights

// Wide blocks of a multiprocessor, by registers: with 80 a thread the code of other architectures spills.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 800 || __CUDA_ARCH__ >= 1000)
constexpr int kWideBlocks = 2;
#else
constexpr int kWideBlocks = 3;
#endif

template <int cells_x, int cells_y>
struct FilterTile {
    static constexpr int kCellsX = cells_x, kCellsY = cells_y;
    static constexpr int kPartsX = kCellsX / kPNetPart, kParts = kPartsX * (kCellsY / kPNetPart);
    static constexpr int kWarps = kParts, kThreads = kWarps * kWarp;
    static constexpr int kResidentBlocks = kCellsX == 32 ? kWideBlocks : 5;

    static constexpr int kInputX = 2 * kCellsX + 10, kInputY = 2 * kCellsY + 10;
    // Pixels of four channels; the first convolution reads four of a row, the last one times 0.
    static constexpr int kInputStride = kInputX + 2;
    static constexpr int kPooledX = kCellsX + 4, kPooledY = kCellsY + 4, kPooled = kPooledX * kPooledY;
    static constexpr int kSecondX = kCellsX + 2, kSecondY = kCellsY + 2, kSecond = kSecondX * kSecondY;

    // In words of 32 bits.
    static constexpr int kInputWords = 2 * kInputY * kInputStride, kSecondWords = 2 * kPlaceWords * kSecond;
    static constexpr int kFirstPiece = kInputWords > kSecondWords ? kInputWords : kSecondWords;
    static constexpr int kPooledWords = 2 * kPlaceWords * kPooled;
    static constexpr int kScratch = kPooledWords;  // for `fill_input`
    static constexpr size_t kSharedMemory = (kFirstPiece + kPooledWords) * sizeof(uint32_t);
    static_assert(kFirstPiece % 4 == 0 && kPooledX % 4 == 0);

    static __device__ __forceinline__ void put(float* input, int i, const float (&values)[3]) {
        const int pixel = i / kInputX * kInputStride + i % kInputX;
        reinterpret_cast<uint2*>(input)[pixel] = {pack_halves(values[0], values[1]), pack_halves(values[2], 0.0f)};
    }
};

// Where a lane is in the matrices of mma.h.
struct Lane {
    int index;
    int g;
    int t;
};

__device__ __forceinline__ Lane lane_of_thread() {
    const int index = static_cast<int>(threadIdx.x) % kWarp;
    return {index, index / 4, index % 4};
}

__device__ __forceinline__ float2 load_pair(const std::byte* weights, int at, int channel) {
    return reinterpret_cast<const float2*>(weights + at)[channel / 2];
}

__device__ __forceinline__ uint2 load_factor(const std::byte* weights, int at, int number, const Lane& lane) {
    return reinterpret_cast<const uint2*>(weights + at)[number * kWarp + lane.index];
}

// First convolution, PReLU and pooling. A matrix has eight adjacent places of two rows, so that a pooled place's four
// are with two neighbouring columns' lanes.
template <typename T>
__device__ __forceinline__ void first_map(const TileJob& job, const std::byte* weights, const uint32_t* input,
                                          uint32_t* pooled) {
    constexpr int kAcross = 2 * T::kPooledX / 8, kGroups = F::kOutputs1 / kMatrixColumns;
    const Lane lane = lane_of_thread();
    uint2 factors[F::kSteps1][kGroups];
    float2 bias[kGroups], slope[kGroups];
    MF_UNROLL
    for (int n = 0; n < kGroups; ++n) {
        bias[n] = load_pair(weights, F::kBias1, n * kMatrixColumns + 2 * lane.t);
        slope[n] = load_pair(weights, F::kSlope1, n * kMatrixColumns + 2 * lane.t);
        MF_UNROLL
        for (int k = 0; k < F::kSteps1; ++k) factors[k][n] = load_factor(weights, F::kConv1, k * kGroups + n, lane);
    }
    MF_NO_UNROLL
    for (int i = static_cast<int>(threadIdx.x) / kWarp; i < T::kPooledY * kAcross; i += T::kWarps) {
        const int y = i / kAcross, x = i % kAcross * 8;
        uint32_t rows[4][2];
        MF_UNROLL
        for (int r = 0; r < 4; ++r) {
            const uint32_t* const from = input + 2 * ((2 * y + r) * T::kInputStride + x + lane.g) + lane.t;
            rows[r][0] = from[0];
            rows[r][1] = from[4];
        }
        // Rows and columns of the first map that the windows find: beyond it there is nothing.
        const bool has_below = 2 * (job.row + y) + 1 < job.level.height - 2;
        const bool has_right = 2 * job.column + x + (lane.g | 1) < job.level.width - 2;
        float best[kGroups][2];
        MF_UNROLL
        for (int n = 0; n < kGroups; ++n) {
            float sums[4] = {bias[n].x, bias[n].y, bias[n].x, bias[n].y};
            MF_UNROLL
            for (int k = 0; k < F::kSteps1; ++k) {
                const uint32_t patch[4] = {rows[k][0], rows[k + 1][0], rows[k][1], rows[k + 1][1]};
                multiply_add(patch, factors[k][n], sums);
            }
            MF_UNROLL
            for (int c = 0; c < 2; ++c) {
                const float s = c == 0 ? slope[n].x : slope[n].y;
                const float above = prelu(sums[c], s), below = prelu(sums[2 + c], s);
                const float mine = has_below && below > above ? below : above;
                const float other = __shfl_xor_sync(kWholeWarp, mine, 4);
                const float left = lane.g % 2 == 0 ? mine : other, right = lane.g % 2 == 0 ? other : mine;
                best[n][c] = has_right && right > left ? right : left;
            }
        }
        // Of the two lanes that know a place, each writes a plane.
        const int plane = lane.g % 2, place = y * T::kPooledX + (x + lane.g) / 2;
        const uint32_t halves = plane == 0 ? pack_halves(best[0][0], best[0][1]) : pack_halves(best[1][0], best[1][1]);
        pooled[(plane * T::kPooled + place) * kPlaceWords + lane.t] = halves;
    }
    __syncthreads();
}

// Sums of a 3 x 3 convolution: for some matrices of places the words of whose first tap are `at`, for rows g and g + 8,
// of a map with rows and planes so far apart.
template <int kGroups>
__device__ __forceinline__ void convolve_map(const uint32_t* map, int row, int plane, const int (&at)[kTogether][2],
                                             const std::byte* weights, int factors, int bias, const Lane& lane,
                                             float (&sums)[kTogether][kGroups][4]) {
    MF_UNROLL
    for (int n = 0; n < kGroups; ++n) {
        const float2 start = load_pair(weights, bias, n * kMatrixColumns + 2 * lane.t);
        for (int m = 0; m < kTogether; ++m) {
            for (int k = 0; k < 4; ++k) sums[m][n][k] = k % 2 == 0 ? start.x : start.y;
        }
    }
    MF_NO_UNROLL
    for (int y = 0; y < 3; ++y) {
        MF_UNROLL
        for (int x = 0; x < 3; ++x) {
            uint32_t taps[kTogether][4];
            MF_UNROLL
            for (int m = 0; m < kTogether; ++m) {
                MF_UNROLL
                for (int k = 0; k < 4; ++k) {
                    taps[m][k] = map[at[m][k % 2] + y * row + x * kPlaceWords + k / 2 * plane];
                }
            }
            MF_UNROLL
            for (int n = 0; n < kGroups; ++n) {
                const uint2 factor = load_factor(weights, factors, (3 * y + x) * kGroups + n, lane);
                MF_UNROLL
                for (int m = 0; m < kTogether; ++m) multiply_add(taps[m], factor, sums[m][n]);
            }
        }
    }
}

template <typename T>
__device__ __forceinline__ void second_map(const std::byte* weights, const uint32_t* pooled, uint32_t* second) {
    constexpr int kGroups = F::kOutputs2 / kMatrixColumns, kPlaces = kTogether * kMatrixRows;
    const Lane lane = lane_of_thread();
    MF_NO_UNROLL
    for (int first = static_cast<int>(threadIdx.x) / kWarp * kPlaces; first < T::kSecond;
         first += T::kWarps * kPlaces) {
        int at[kTogether][2];
        MF_UNROLL
        for (int i = 0; i < 2 * kTogether; ++i) {
            // Beyond the map any place will do.
            const int place = first + 8 * i + lane.g, known = place < T::kSecond ? place : 0;
            at[i / 2][i % 2] = (known / T::kSecondX * T::kPooledX + known % T::kSecondX) * kPlaceWords + lane.t;
        }
        float sums[kTogether][kGroups][4];
        convolve_map(pooled, T::kPooledX * kPlaceWords, T::kPooled * kPlaceWords, at, weights, F::kConv2, F::kBias2,
                     lane, sums);
        MF_UNROLL
        for (int n = 0; n < kGroups; ++n) {
            const float2 slope = load_pair(weights, F::kSlope2, n * kMatrixColumns + 2 * lane.t);
            MF_UNROLL
            for (int i = 0; i < 2 * kTogether; ++i) {
                const int place = first + 8 * i + lane.g;
                const float* const pair = sums[i / 2][n] + i % 2 * 2;
                const uint32_t halves = pack_halves(prelu(pair[0], slope.x), prelu(pair[1], slope.y));
                if (place < T::kSecond) second[(n * T::kSecond + place) * kPlaceWords + lane.t] = halves;
            }
        }
    }
    __syncthreads();
}

// The face's logit less the other of a warp's part, four rows of it at a time: of two matrices, rows g and g + 8.
template <typename T>
__device__ __forceinline__ void head_sums(const std::byte* weights, const uint32_t* second, int row, int column,
                                          const Lane& lane, float (&logits)[kTogether][2]) {
    constexpr int kGroups = F::kOutputs3 / kMatrixColumns;
    int at[kTogether][2];
    MF_UNROLL
    for (int i = 0; i < 2 * kTogether; ++i) {
        at[i / 2][i % 2] = ((row + i) * T::kSecondX + column + lane.g) * kPlaceWords + lane.t;
    }
    float sums[kTogether][kGroups][4];
    convolve_map(second, T::kSecondX * kPlaceWords, T::kSecond * kPlaceWords, at, weights, F::kConv3, F::kBias3, lane,
                 sums);
    const float bias = *reinterpret_cast<const float*>(weights + F::kHeadBias);
    MF_UNROLL
    for (int i = 0; i < 2 * kTogether; ++i) logits[i / 2][i % 2] = lane.t == 0 ? bias : 0.0f;
    MF_UNROLL
    for (int n = 0; n < kGroups; ++n) {
        const float2 slope = load_pair(weights, F::kSlope3, n * kMatrixColumns + 2 * lane.t);
        const float2 head = load_pair(weights, F::kHead, n * kMatrixColumns + 2 * lane.t);
        MF_UNROLL
        for (int i = 0; i < 2 * kTogether; ++i) {
            const float* const pair = sums[i / 2][n] + i % 2 * 2;
            logits[i / 2][i % 2] += prelu(pair[0], slope.x) * head.x + prelu(pair[1], slope.y) * head.y;
        }
    }
    MF_UNROLL
    for (int i = 0; i < 2 * kTogether; ++i) {
        float& sum = logits[i / 2][i % 2];
        sum += __shfl_xor_sync(kWholeWarp, sum, 1);
        sum += __shfl_xor_sync(kWholeWarp, sum, 2);
    }
}

// Whether a cell of the warp's part may be a candidate.
template <typename T>
__device__ __forceinline__ bool reaches(const TileJob& job, const std::byte* weights, const uint32_t* second,
                                        int part_row, int part_column, float limit) {
    constexpr int kRows = 2 * kTogether;
    const Lane lane = lane_of_thread();
    bool found = false;
    MF_NO_UNROLL
    for (int row = part_row; row < part_row + kPNetPart; row += kRows) {
        float logits[kTogether][2];
        head_sums<T>(weights, second, row, part_column, lane, logits);
        MF_UNROLL
        for (int i = 0; i < kRows; ++i) {
            const bool is_cell =
                job.row + row + i < job.level.rows && job.column + part_column + lane.g < job.level.columns;
            // What is no number reaches the limit, so that nothing is lost.
            if (is_cell && !(logits[i / 2][i % 2] < limit)) found = true;
        }
    }
    return __any_sync(kWholeWarp, found);
}

template <typename T>
__global__ void __launch_bounds__(T::kThreads, T::kResidentBlocks)
    pnet_filter_kernel(PNetTables tables, const std::byte* weights, float limit, uint8_t* wanted, float* scores) {
    __shared__ TileBins<T> bins;
    __shared__ TileJob job;
    if (threadIdx.x == 0) job = find_job(tables, blockIdx.x, T::kCellsX, T::kCellsY);
    float* const input = dynamic_shared_floats();
    uint32_t* const first_piece = reinterpret_cast<uint32_t*>(input);
    uint32_t* const pooled = first_piece + T::kFirstPiece;
    for (int y = static_cast<int>(threadIdx.x); y < T::kInputY; y += T::kThreads) {
        reinterpret_cast<uint2*>(first_piece)[y * T::kInputStride + T::kInputX] = {0, 0};
    }
    __syncthreads();
    find_bins<T>(job, bins);
    fill_input<T>(job, bins, input, input + T::kFirstPiece);
    first_map<T>(job, weights, first_piece, pooled);
    second_map<T>(weights, pooled, first_piece);
    const int part = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
    const int row = part / T::kPartsX * kPNetPart, column = part % T::kPartsX * kPNetPart;
    const bool found = reaches<T>(job, weights, first_piece, row, column, limit);
    if (lane == 0) wanted[int64_t{blockIdx.x} * T::kParts + part] = found;
    if (found) return;
    for (int i = lane; i < kPNetPart * kPNetPart; i += kWarp) {
        const int y = job.row + row + i / kPNetPart, x = job.column + column + i % kPNetPart;
        if (y >= job.level.rows || x >= job.level.columns) continue;
        scores[job.level.first_cell + int64_t{y} * job.level.columns + x] = 0.0f;
    }
}

template <typename T>
void launch_filter(const PNetPlan& plan, const PNetArguments& a, const PNetFilterArguments& filter,
                   cudaStream_t stream) {
    launch({"pnet_filter", shapes_of(plan), dim3(plan.blocks()), T::kThreads, stream, T::kSharedMemory},
           pnet_filter_kernel<T>, pnet_tables(plan, a.tables), filter.weights, filter.limit, filter.wanted, a.scores);
}

using WideTile = FilterTile<32, 16>;
using NarrowTile = FilterTile<16, 16>;

}  // namespace

void pnet_filtered(const PNetPlan& plan, const PNetArguments& a, const PNetFilterArguments& filter,
                   cudaStream_t stream) {
    if (plan.blocks() == 0) return;
    check_pnet(a);
    require(filter.weights != nullptr && filter.wanted != nullptr,
            "filter_weights and wanted must be device memory, got a null pointer");
    require(reinterpret_cast<uintptr_t>(filter.weights) % sizeof(uint2) == 0,
            "filter_weights must be aligned to 8 bytes");
    if (plan.tile().width == WideTile::kCellsX) {
        launch_filter<WideTile>(plan, a, filter, stream);
    } else {
        launch_filter<NarrowTile>(plan, a, filter, stream);
    }
    pnet_parts(plan, a, filter.wanted, stream);
}

}  // namespace mtcnn_fast::cuda
