// The crop and all convolutions of R-Net or O-Net but the last. A block has one crop. It computes a band of rows after
// the other, so that its maps fit the shared memory: the pixels, the pooled first map, the second map. Where two bands
// share rows, the rows are carried over. Weights come through the L1 cache: the threads of a warp read the same ones.
#include "cuda/crop_input.h"
#include "cuda/crop_network.h"
#include "cuda/layers.h"
#include "cuda/shared_memory.h"

namespace mtcnn_fast::cuda {
namespace {

// Adjacent outputs of a thread: pooled places and channels in the first convolution, channels and places in the others.
constexpr int kPooledTogether = 3, kOutputs1 = 2;
constexpr int kOutputs = 4;  // where many places share a weight: the L1 cache returns a register of a warp a cycle
constexpr int kPlaces3 = 8;

template <int side, int band>
struct CropShape {
    static constexpr bool kIsRNet = side == 24;
    static constexpr int kSide = side, kBand = band;  // rows of the second pooled map at a time
    // A band of two rows has as much work for each of O-Net's threads in both convolutions.
    static constexpr int kThreads = kIsRNet ? 128 : 192;
    static constexpr int kResidentBlocks = kIsRNet ? 5 : 3;  // by registers: 96 a thread

    // Sides of whole maps. Only the first pooling has a window that leaves its map.
    static constexpr int kFirst = side - 2, kPooled1 = (kFirst - 2) / 2 + 1;
    static constexpr int kSecond = kPooled1 - 2, kPooled2 = (kSecond - 3) / 2 + 1;
    static constexpr int kThird = kPooled2 - 2;
    static_assert(kFirst % 2 == 0 && kSecond % 2 == 1 && kPooled2 % band == 0);
    static_assert(kIsRNet ? kPooled2 == kMapSide : kThird == 2 * kMapSide);

    // Rows of a band. The next one begins with the last row of the second map, and with two of the pooled one.
    static constexpr int kSecondRows = 2 * band + 1, kPooledRows = kSecondRows + 2;
    static constexpr int kCarried = kPooledRows - 2 * band;
    static constexpr int kInputRows = 2 * kPooledRows + 3;
    // Threads read beyond the last column, where zeros are.
    static constexpr int kGroups = (kPooled1 + kPooledTogether - 1) / kPooledTogether;
    static constexpr int kAcross1 = 2 * kPooledTogether + 1, kTaps1 = (kAcross1 + 3) / 2 * 2;
    static constexpr int kInputStride = 2 * kPooledTogether * (kGroups - 1) + kTaps1;
    static_assert(kInputStride >= side && kInputStride % 4 == 0);
    // Adjacent outputs of a thread in the second convolution, which divide its rows. R-Net's threads read its inputs as
    // whole float4; O-Net's find different banks.
    static constexpr int kPlaces2 = kIsRNet ? 9 : 7;
    static constexpr int kPooledStride = kIsRNet ? 12 : 24;
    static_assert(kSecond % kPlaces2 == 0 && kPooledStride == kGroups * kPooledTogether);
    static constexpr int kInputPlane = kInputRows * kInputStride;
};

// Where the maps are in the dynamic shared memory, in floats. The pixels lie over the second map's rows that are not
// carried, the third map over all that precede the second pooled one.
template <typename T>
struct Pieces {
    int second;  // the pooled first map is at 0
    int input;
    int pooled2;
    int all;

    MF_HD explicit Pieces(const CropNetworkLayout& l) {
        const int row = l.second.padded * T::kSecond;
        second = round_up(l.first.padded * T::kPooledRows * T::kPooledStride, 4);
        input = second + row;
        const int with_second = second + T::kSecondRows * row, with_input = input + 3 * T::kInputPlane;
        pooled2 = with_second > with_input ? with_second : with_input;
        const int third = T::kIsRNet ? 0 : l.third.padded * T::kThird * T::kThird;
        if (third > pooled2) pooled2 = third;
        all = pooled2 + (T::kIsRNet ? 0 : l.second.padded * T::kPooled2 * T::kPooled2);
    }
    MF_HD size_t bytes() const { return static_cast<size_t>(all) * sizeof(float); }
};

// Adjacent numbers, `kWidth` at a time.
template <int kWidth, int kCount>
__device__ __forceinline__ void load_taps(const float* from, float (&to)[kCount]) {
    MF_UNROLL
    for (int k = 0; k < kCount; k += kWidth) {
        float some[4];
        if constexpr (kWidth == 4) {
            load(from + k, some);
        } else if constexpr (kWidth == 2) {
            const float2 two = *reinterpret_cast<const float2*>(from + k);
            some[0] = two.x;
            some[1] = two.y;
        } else {
            some[0] = from[k];
        }
        MF_UNROLL
        for (int i = 0; i < kWidth && k + i < kCount; ++i) to[k + i] = some[i];
    }
}

// First convolution at the places that adjacent windows of a pooled row look at, two channels.
template <typename T>
__device__ __forceinline__ void first_sums(const float* input, const float* weights, const CropLayer& layer, int first,
                                           float (&sums)[kOutputs1][3][T::kAcross1]) {
    constexpr int kAcross = T::kAcross1;
    MF_UNROLL
    for (int o = 0; o < kOutputs1; ++o) {
        const float bias = weights[layer.bias + first + o];
        for (int x = 0; x < 3 * kAcross; ++x) sums[o][x / kAcross][x % kAcross] = bias;
    }
    MF_NO_UNROLL
    for (int c = 0; c < 3; ++c) {
        MF_UNROLL
        for (int row = 0; row < 5; ++row) {
            float taps[T::kTaps1];
            load_taps<2>(input + c * T::kInputPlane + row * T::kInputStride, taps);
            MF_UNROLL
            for (int y = row < 2 ? 0 : row - 2; y <= (row < 2 ? row : 2); ++y) {
                MF_UNROLL
                for (int k = 0; k < 3; ++k) {
                    const int at = layer.weights + (c * 9 + (row - y) * 3 + k) * layer.padded + first;
                    const float2 weight = *reinterpret_cast<const float2*>(weights + at);
                    MF_UNROLL
                    for (int x = 0; x < kAcross; ++x) {
                        sums[0][y][x] = __fmaf_rn(taps[x + k], weight.x, sums[0][y][x]);
                        sums[1][y][x] = __fmaf_rn(taps[x + k], weight.y, sums[1][y][x]);
                    }
                }
            }
        }
    }
}

// Rows [from, rows) of a band of the pooled first map, whose row 0 is the map's row `top`.
template <typename T>
__device__ __forceinline__ void first_map(const CropLayer& layer, const float* weights, const float* input, int top,
                                          int from, float* pooled) {
    const int places = (T::kPooledRows - from) * T::kGroups;
    for (int i = static_cast<int>(threadIdx.x); i < places * divide_up(layer.outputs, kOutputs1); i += T::kThreads) {
        const int first = i / places * kOutputs1, y = i % places / T::kGroups;
        const int x = i % places % T::kGroups * kPooledTogether;
        float sums[kOutputs1][3][T::kAcross1];
        first_sums<T>(input + 2 * y * T::kInputStride + 2 * x, weights, layer, first, sums);
        const int rows = T::kFirst - 2 * (top + from + y), columns = T::kFirst - 2 * x;
        MF_UNROLL
        for (int o = 0; o < kOutputs1; ++o) {
            const float slope = weights[layer.slope + first + o];
            float* const to = pooled + ((first + o) * T::kPooledRows + from + y) * T::kPooledStride + x;
            MF_UNROLL
            for (int p = 0; p < kPooledTogether; ++p) {
                float best = prelu(sums[o][0][2 * p], slope);
                MF_UNROLL
                for (int k = 1; k < 9; ++k) {
                    const float value = prelu(sums[o][k / 3][2 * p + k % 3], slope);
                    // Beyond the map there is nothing.
                    if (k / 3 < rows && 2 * p + k % 3 < columns && value > best) best = value;
                }
                to[p] = best;
            }
        }
    }
    __syncthreads();
}

// 3 x 3 convolution and PReLU at adjacent places, channels from `first` on. `input` is the first tap in channel 0 of a
// map with planes and rows so far apart.
template <int kPlane, int kStride, int kPlaces>
__device__ __forceinline__ void convolve_map(const CropLayer& layer, const float* weights, const float* input,
                                             int first, float (&values)[kOutputs][kPlaces]) {
    const auto taps_at = [=](int c, int row, float (&taps)[kPlaces + 2]) {
        load_taps<kPlaces == 9 ? 4 : kPlaces == 8 ? 2 : 1>(input + c * kPlane + row * kStride, taps);
    };
    convolve<3, Weights::kAhead>(layer.inputs, taps_at, weights + layer.weights + first, layer.padded,
                                 weights + layer.bias + first, values);
    float slope[kOutputs];
    load(weights + layer.slope + first, slope);
    MF_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
        MF_UNROLL
        for (int p = 0; p < kPlaces; ++p) values[o][p] = prelu(values[o][p], slope[o]);
    }
}

// Rows [from, rows) of a band of the second map, which is [row][channel][column].
template <typename T>
__device__ __forceinline__ void second_map(const CropLayer& layer, const float* weights, const float* pooled, int from,
                                           float* second) {
    constexpr int kAcross = T::kSecond / T::kPlaces2, kPlane = T::kPooledRows * T::kPooledStride;
    const int places = (T::kSecondRows - from) * kAcross;
    for (int i = static_cast<int>(threadIdx.x); i < places * (layer.padded / kOutputs); i += T::kThreads) {
        const int first = i / places * kOutputs, y = from + i % places / kAcross;
        const int x = i % places % kAcross * T::kPlaces2;
        float values[kOutputs][T::kPlaces2];
        convolve_map<kPlane, T::kPooledStride>(layer, weights, pooled + y * T::kPooledStride + x, first, values);
        MF_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            for (int p = 0; p < T::kPlaces2; ++p) {
                second[(y * layer.padded + first + o) * T::kSecond + x + p] = values[o][p];
            }
        }
    }
    __syncthreads();
}

// Windows of 3 x 3 of a band of the second map, whose first pooled row is `top`.
template <typename T>
__device__ __forceinline__ void pool_second(const CropLayer& layer, const float* second, int top, float* pooled) {
    const int places = T::kBand * T::kPooled2;
    for (int i = static_cast<int>(threadIdx.x); i < places * layer.outputs; i += T::kThreads) {
        const int channel = i / places, y = i % places / T::kPooled2, x = i % T::kPooled2;
        float best = second[(2 * y * layer.padded + channel) * T::kSecond + 2 * x];
        for (int k = 1; k < 9; ++k) {
            const float value = second[((2 * y + k / 3) * layer.padded + channel) * T::kSecond + 2 * x + k % 3];
            if (value > best) best = value;
        }
        pooled[(channel * T::kPooled2 + top + y) * T::kPooled2 + x] = best;
    }
    __syncthreads();
}

// The rows that the next band shares with this one.
template <typename T>
__device__ __forceinline__ void carry(const CropNetworkLayout& l, float* pooled, float* second) {
    constexpr int kShared = (T::kCarried - 1) * T::kPooled1;
    for (int i = static_cast<int>(threadIdx.x); i < kShared * l.first.outputs; i += T::kThreads) {
        const int row = i % kShared / T::kPooled1, column = i % T::kPooled1;
        float* const place = pooled + (i / kShared * T::kPooledRows + row) * T::kPooledStride + column;
        place[T::kPooledStride] = place[(2 * T::kBand + 1) * T::kPooledStride];
    }
    const int row = l.second.padded * T::kSecond;
    for (int i = static_cast<int>(threadIdx.x); i < row; i += T::kThreads) second[i] = second[2 * T::kBand * row + i];
    __syncthreads();
}

// O-Net's third convolution, and its pooling by 2 x 2 to the maps.
template <typename T>
__device__ __forceinline__ void third_map(const CropLayer& layer, const float* weights, const float* pooled,
                                          float* third, float* maps) {
    constexpr int kAcross = T::kThird / kPlaces3, kPlaces = T::kThird * kAcross;
    for (int i = static_cast<int>(threadIdx.x); i < kPlaces * (layer.padded / kOutputs); i += T::kThreads) {
        const int first = i / kPlaces * kOutputs, y = i % kPlaces / kAcross, x = i % kAcross * kPlaces3;
        float values[kOutputs][kPlaces3];
        convolve_map<T::kPooled2 * T::kPooled2, T::kPooled2>(layer, weights, pooled + y * T::kPooled2 + x, first,
                                                             values);
        MF_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            for (int p = 0; p < kPlaces3; ++p) {
                third[((first + o) * T::kThird + y) * T::kThird + x + p] = values[o][p];
            }
        }
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < layer.outputs * kMapPlaces; i += T::kThreads) {
        const float* const window =
            third + (i / kMapPlaces * T::kThird + i % kMapPlaces / kMapSide * 2) * T::kThird + i % kMapSide * 2;
        float best = window[0];
        for (int k = 1; k < 4; ++k) {
            const float value = window[k / 2 * T::kThird + k % 2];
            if (value > best) best = value;
        }
        maps[i] = best;
    }
}

template <typename T>
__global__ void __launch_bounds__(T::kThreads, T::kResidentBlocks)
    crop_features_kernel(CropNetworkLayout l, CropNetworkArguments a, CropPart part) {
    __shared__ CropJob<T> job;
    const int64_t candidate = part.first + blockIdx.x;
    DeviceImage image;
    CropWindow window;
    const bool valid = find_window(a, candidate, image, window);
    if (threadIdx.x == 0) a.valid[candidate] = valid;
    if (!valid) return;
    const bool by_warp = shares_bins(window, T::kSide);
    if (threadIdx.x == 0) {
        job.image = image;
        job.within = {static_cast<int>(window.x.inside_begin), static_cast<int>(window.x.inside_end)};
    }
    for (int i = static_cast<int>(threadIdx.x); i < 2 * T::kSide; i += T::kThreads) {
        if (i < T::kSide) {
            job.rows[i] = find_edge(window.y, i, T::kSide);
        } else {
            job.columns[i - T::kSide] = find_edge(window.x, i - T::kSide, T::kSide);
        }
    }
    __syncthreads();
    const Pieces<T> pieces(l);
    float* const pooled1 = dynamic_shared_floats();
    float* const second = pooled1 + pieces.second;
    float* const input = pooled1 + pieces.input;
    float* const scratch = input + 3 * T::kInputPlane;
    const int room = 2 * (pieces.pooled2 - pieces.input - 3 * T::kInputPlane);
    float* const maps = part.maps + int64_t{blockIdx.x} * l.last.inputs * kMapPlaces;
    float* const pooled2 = T::kIsRNet ? maps : pooled1 + pieces.pooled2;
    MF_NO_UNROLL
    for (int band = 0; band < T::kPooled2 / T::kBand; ++band) {
        const int top = 2 * band * T::kBand, from = band == 0 ? 0 : T::kCarried;
        if (band != 0) carry<T>(l, pooled1, second);
        fill_input<T>(job, by_warp, 2 * (top + from), 2 * (T::kPooledRows - from) + 3, input,
                      reinterpret_cast<uint16_t*>(scratch), room);
        first_map<T>(l.first, a.weights, input, top, from, pooled1);
        second_map<T>(l.second, a.weights, pooled1, band == 0 ? 0 : 1, second);
        pool_second<T>(l.second, second, band * T::kBand, pooled2);
    }
    if constexpr (!T::kIsRNet) third_map<T>(l.third, a.weights, pooled2, pooled1, maps);
}

using RNetShape = CropShape<24, 4>;
using WideONetShape = CropShape<48, 2>;
using NarrowONetShape = CropShape<48, 1>;

template <typename T>
CropBand band_of(const CropNetworkLayout& layout) {
    return {T::kSide, T::kBand, Pieces<T>(layout).bytes()};
}

template <typename T>
void launch_features(const CropNetwork& network, const CropNetworkArguments& a, const CropPart& part,
                     cudaStream_t stream) {
    const std::string shapes = network.name() + ", " + std::to_string(part.length) + " boxes";
    const dim3 grid(static_cast<unsigned>(part.length));
    launch({"crop_features", shapes, grid, T::kThreads, stream, network.band().shared_memory}, crop_features_kernel<T>,
           network.layout(), a, part);
}

}  // namespace

CropBand crop_band(const std::string& name, const CropNetworkLayout& layout, size_t shared_memory) {
    std::vector<CropBand> bands;
    if (name == "rnet") {
        bands = {band_of<RNetShape>(layout)};
    } else {
        bands = {band_of<WideONetShape>(layout), band_of<NarrowONetShape>(layout)};
    }
    for (const CropBand& band : bands) {
        // What the edges and the system take beside it is below 3 KB.
        if (band.shared_memory + 3072 <= shared_memory) return band;
    }
    require(false, "shared_memory must be at least " + std::to_string(bands.back().shared_memory + 3072) +
                       " bytes for " + name + ", got " + std::to_string(shared_memory));
    return {};
}

void compute_crop_features(const CropNetwork& network, const CropNetworkArguments& a, const CropPart& part,
                           cudaStream_t stream) {
    if (network.band().side == RNetShape::kSide) {
        launch_features<RNetShape>(network, a, part, stream);
    } else if (network.band().rows == WideONetShape::kBand) {
        launch_features<WideONetShape>(network, a, part, stream);
    } else {
        launch_features<NarrowONetShape>(network, a, part, stream);
    }
}

}  // namespace mtcnn_fast::cuda
