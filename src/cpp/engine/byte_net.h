// The kernel of R-Net in bytes. Every number is an integer, or one float32 operation at a time on it, so that all
// instruction sets have the same bits.
#pragma once

#include "cpp/engine/byte_network.h"
#include "cpp/engine/rough_net.h"
#include "cpp/engine/simd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// sums[p][v] += the products of the pixels' inputs, SEGMENTS runs of STEPS steps that are PITCH bytes apart, and the
// weights.
template <int P, int NV, int SEGMENTS, int STEPS, int PITCH>
MF_INLINE void multiply_bytes(const std::uint8_t* const (&pixels)[P], const std::int8_t* w, int lanes,
                              I (&sums)[P][NV]) {
    MF_UNROLL(1)
    for (int s = 0; s < SEGMENTS; ++s) {
        const std::uint8_t* base[P];
        MF_UNROLL(12)
        for (int p = 0; p < P; ++p) base[p] = pixels[p] + s * PITCH;
        MF_UNROLL(1)
        for (int k = 0; k < STEPS * kByteStep; k += kByteStep, w += kByteStep * lanes) {
            Quads weights[NV][3];
            MF_UNROLL(2)
            for (int v = 0; v < NV; ++v) MF_UNROLL(3)
            for (int q = 0; q < 3; ++q) weights[v][q] = load_quads(w + 4 * (q * lanes + v * kLanes));
            MF_UNROLL(12)
            for (int p = 0; p < P; ++p) {
                const Quads x[3] = {spread_quad(base[p] + k), spread_quad(base[p] + k + 4),
                                    spread_quad(base[p] + k + 8)};
                MF_UNROLL(2)
                for (int v = 0; v < NV; ++v) sums[p][v] = dot(x, weights[v], sums[p][v]);
            }
        }
    }
}

// Where the kernel keeps its maps, in bytes.
struct ByteLayout {
    static constexpr int kSize = kRNetStage.size;
    static constexpr int kSide1 = kSize - 2, kPooled1 = kRNetStage.side(1);
    static constexpr int kSide2 = kPooled1 - 2, kPooled2 = kRNetStage.side(2);
    static constexpr int kChannels1 = kRNetStage.convolution[0].outputs;
    static constexpr int kChannels2 = kRNetStage.convolution[1].outputs;
    static constexpr int kChannels3 = kRNetStage.convolution[2].outputs;
    static constexpr int kMap1 = kPooled1 * kPooled1 * kChannels1;
    static constexpr int kMap2 = kPooled2 * kPooled2 * kChannels2;
    static constexpr int kMap3 = 9 * kChannels3;

    static constexpr std::size_t kPixels = 0;
    static constexpr std::size_t kConvolved1 = after(kPixels, 3 * kSize * kSize);
    static constexpr std::size_t kMaxima1 = after(kConvolved1, kSide1 * kSide1 * kRNetBytes[0].lanes());
    static constexpr std::size_t kConvolved2 = after(kMaxima1, kMap1);
    static constexpr std::size_t kMaxima2 = after(kConvolved2, kSide2 * kSide2 * kChannels2);
    static constexpr std::size_t kConvolved3 = after(kMaxima2, kCropBlock* kMap2);
    static constexpr std::size_t kHidden = after(kConvolved3, kCropBlock* kMap3);
    static constexpr std::size_t kBytes =
        after(kHidden, (kCropBlock + 16) * kRNetStage.hidden * static_cast<int>(sizeof(float)));
};

// Where the input of each pixel starts, on COUNT maps of ROWS x COLUMNS pixels, and of as many as a tile has too many;
// PITCH and STEP bytes lie between rows and pixels, MAP between maps.
template <int COUNT, int ROWS, int COLUMNS, int PITCH, int STEP, int MAP>
struct PixelTable {
    static constexpr int kPixels = COUNT * ROWS * COLUMNS;
    int at[kPixels + kByteTile] = {};

    constexpr PixelTable() {
        for (int t = 0; t < kPixels + kByteTile; ++t) {
            const int i = t < kPixels ? t : kPixels - 1;
            at[t] = i / (ROWS * COLUMNS) * MAP + i % (ROWS * COLUMNS) / COLUMNS * PITCH + i % COLUMNS * STEP;
        }
    }
};

// Static, because what kernels define must be local to their file.
template <int COUNT, int ROWS, int COLUMNS, int PITCH, int STEP, int MAP>
static constexpr PixelTable<COUNT, ROWS, COLUMNS, PITCH, STEP, MAP> kPixelTable;

class ByteNet {
  public:
    MF_INLINE ByteNet(const ByteNetworkWeights& net, std::uint8_t* scratch) : net_(net), scratch_(scratch) {}

    MF_INLINE void run(const float* crops, int count, float* differences) const {
        using L = ByteLayout;
        bool cut[kCropBlock];
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            take_pixels(crops + i * 3 * L::kSize * L::kSize);
            convolve<0, 1, L::kSide1, L::kSide1, 3 * L::kSize, 3>(L::kPixels, 1, L::kConvolved1);
            max_pool<L::kSide1, kRNetBytes[0].lanes(), L::kChannels1>(scratch_ + L::kConvolved1,
                                                                      scratch_ + L::kMaxima1);
            convolve<1, 1, L::kSide2, L::kSide2, L::kPooled1 * L::kChannels1, L::kChannels1>(L::kMaxima1, 1,
                                                                                             L::kConvolved2);
            max_pool<L::kSide2, L::kChannels2, L::kChannels2>(scratch_ + L::kConvolved2,
                                                              scratch_ + L::kMaxima2 + i * L::kMap2);
            cut[i] = holds_greatest<L::kMap1>(scratch_ + L::kMaxima1);
        }
        convolve<2, kCropBlock, 3, 3, L::kPooled2 * L::kChannels2, L::kChannels2>(L::kMaxima2, count, L::kConvolved3);
        convolve<3, kCropBlock, 1, 1, 0, 0, L::kMap3>(L::kConvolved3, count, L::kHidden);
        const float* const hidden = reinterpret_cast<const float*>(scratch_ + L::kHidden);
        for (int i = 0; i < count; ++i) {
            const bool known = !cut[i] && !holds_greatest<L::kMap2>(scratch_ + L::kMaxima2 + i * L::kMap2) &&
                               !holds_greatest<L::kMap3>(scratch_ + L::kConvolved3 + i * L::kMap3);
            differences[i] = known ? head_difference(hidden + i * kRNetStage.hidden, kRNetStage.hidden, net_.difference,
                                                     net_.difference_bias)
                                   : __builtin_inff();
        }
    }

  private:
    typedef std::uint8_t U8x16 __attribute__((vector_size(16)));

    // Pixels as they were before the normalisation, rounded.
    MF_INLINE void take_pixels(const float* crop) const {
        MF_UNROLL(1)
        for (int k = 0; k < 3 * ByteLayout::kSize * ByteLayout::kSize; k += kLanes) {
            store_bytes(scratch_ + ByteLayout::kPixels + k, load(crop + k) * set1(128.0f) + set1(128.0f));
        }
    }

    // A layer on `maps` <= COUNT maps of ROWS x COLUMNS outputs; the other numbers are those of PixelTable.
    template <std::size_t kLayer, int COUNT, int ROWS, int COLUMNS, int PITCH, int STEP,
              int MAP = (ROWS + kRNetBytes[kLayer].segments - 1) * PITCH>
    MF_INLINE void convolve(std::size_t in, int maps, std::size_t out) const {
        constexpr ByteShape kShape = kRNetBytes[kLayer];
        constexpr int kLanesOf = kShape.lanes();
        constexpr bool kLast = kLayer + 1 == kRoughLayers;
        const ByteLayer& layer = net_.layer[kLayer];
        const int* const table = kPixelTable<COUNT, ROWS, COLUMNS, PITCH, STEP, MAP>.at;
        const int total = maps * ROWS * COLUMNS;
        for_lanes<kLanesOf, kLanes>([&]<int NV>(int c) __attribute__((always_inline)) {
            MF_UNROLL(1)
            for (int first = 0; first < total; first += kByteTile) {
                const std::uint8_t* pixels[kByteTile];
                MF_UNROLL(12)
                for (int p = 0; p < kByteTile; ++p) pixels[p] = scratch_ + in + table[first + p];
                I sums[kByteTile][NV];
                MF_UNROLL(12)
                for (auto& pixel : sums)
                    for (I& sum : pixel) sum = I{};
                multiply_bytes<kByteTile, NV, kShape.segments, kShape.steps(), PITCH>(pixels, layer.weights + 4 * c,
                                                                                      kLanesOf, sums);
                MF_UNROLL(2)
                for (int v = 0; v < NV; ++v) {
                    const int channel = c + v * kLanes;
                    const V scale = load(layer.scale + channel), bias = load(layer.bias + channel);
                    const V slope = load(layer.slope + channel), zero_point = load(layer.zero + channel);
                    MF_UNROLL(12)
                    for (int p = 0; p < kByteTile; ++p) {
                        const V value = prelu(__builtin_convertvector(sums[p][v], V) * scale + bias, slope);
                        const int at = (first + p) * kLanesOf + channel;
                        if constexpr (kLast) {
                            store(reinterpret_cast<float*>(scratch_ + out) + at, value);
                        } else {
                            store_bytes(scratch_ + out + at, value + zero_point);
                        }
                    }
                }
            }
        });
    }

    // Maximum of 3 x 3 bytes, stride 2, ceil mode, of N x N pixels of LANES bytes, to pixels of CHANNELS bytes: what is
    // written too much, the next pixel overwrites.
    template <int N, int LANES, int CHANNELS>
    MF_INLINE static void max_pool(const std::uint8_t* in, std::uint8_t* out) {
        constexpr int n = (N - 3 + 1) / 2 + 1;
        MF_UNROLL(1)
        for (int y = 0; y < n; ++y) {
            const std::uint8_t* rows[3];
            for (int i = 0; i < 3; ++i) rows[i] = in + (2 * y + i < N ? 2 * y + i : N - 1) * N * LANES;
            MF_UNROLL(1)
            for (int x = 0; x < n; ++x) {
                const int columns[3] = {2 * x * LANES, (2 * x + 1) * LANES,
                                        (2 * x + 2 < N ? 2 * x + 2 : N - 1) * LANES};
                MF_UNROLL(3)
                for (int c = 0; c < LANES; c += 16) {
                    U8x16 best = load_as<U8x16>(rows[0] + columns[0] + c);
                    MF_UNROLL(9)
                    for (int k = 1; k < 9; ++k) {
                        const U8x16 other = load_as<U8x16>(rows[k / 3] + columns[k % 3] + c);
                        best = best > other ? best : other;
                    }
                    std::memcpy(out + (y * n + x) * CHANNELS + c, &best, sizeof best);
                }
            }
        }
    }

    // Whether any of COUNT bytes is 255.
    template <int COUNT>
    MF_INLINE static bool holds_greatest(const std::uint8_t* bytes) {
        constexpr int kWidth = 16;
        U8x16 most = load_as<U8x16>(bytes + COUNT - kWidth);
        MF_UNROLL(1)
        for (int k = 0; k + kWidth <= COUNT; k += kWidth) {
            const U8x16 other = load_as<U8x16>(bytes + k);
            most = most > other ? most : other;
        }
        std::uint8_t greatest = 0;
        MF_UNROLL(1)
        for (int k = 0; k < kWidth; ++k) greatest = most[k] > greatest ? most[k] : greatest;
        return greatest == 255;
    }

    const ByteNetworkWeights& net_;
    std::uint8_t* const scratch_;
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
