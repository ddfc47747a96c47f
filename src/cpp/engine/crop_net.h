// R-Net and O-Net on a block of crops: pixels of interleaved channels, output channels in lanes, register tiles that
// run over pixels and, in the late layers, over crops.
#pragma once

#include <cstring>

#include "cpp/engine/crop_conv1.h"
#include "cpp/engine/crop_layout.h"
#include "cpp/engine/crop_stage.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/tile_ends.h"
#include "cpp/engine/winograd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// Maximum of kPool x kPool, stride 2, ceil mode, of a square map.
template <int N, int C, int kPool>
MF_INLINE void max_pool(const float* in, float* out) {
    constexpr int n = (N - kPool + 1) / 2 + 1;
    for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x)
            for (int c = 0; c < C; c += kLanes) {
                const float* const corner = in + (2 * y * N + 2 * x) * C + c;
                V best = load(corner);
                for (int i = 0; i < kPool && 2 * y + i < N; ++i)
                    for (int j = 0; j < kPool && 2 * x + j < N; ++j) best = max(best, load(corner + (i * N + j) * C));
                store(out + (y * n + x) * C + c, best);
            }
}

// A 3x3 convolution of `count` square maps of N x N pixels of `STRIDE` floats, by Winograd's F(M x M) whose tiles must
// cover the output exactly.
template <int M, int N, int CI, int STRIDE, int CO>
MF_INLINE void conv_winograd(const Layer& layer, const float* in, int count, float* workspace, float* out) {
    constexpr int n = N - 2, side = n / M, per_map = side * side;
    static_assert(n % M == 0);
    const int total = count * per_map;
    const int blocks = (total + kCropTiles - 1) / kCropTiles;
    const int size = (total + blocks - 1) / blocks;
    for (int first = 0; first < total; first += size) {
        // Where each tile of the block starts, in its map's input and output.
        const float* sources[kCropTiles];
        float* targets[kCropTiles];
        const int tiles = total - first < size ? total - first : size;
        for (int t = 0; t < tiles; ++t) {
            const int map = (first + t) / per_map, y = (first + t) % per_map / side * M, x = (first + t) % side * M;
            sources[t] = in + (map * N * N + y * N + x) * STRIDE;
            targets[t] = out + (map * n * n + y * n + x) * CO;
        }
        winograd_block<M, CI, CO, kCropTiles>(
            tiles, layer.winograd, workspace,
            [&](int t, int i, int j) __attribute__((always_inline)) { return sources[t] + (i * N + j) * STRIDE; },
            [&](int t, int c, const V(&sums)[M][M]) __attribute__((always_inline)) {
                const V bias = load(layer.bias + c), slope = load(layer.slope + c);
                MF_UNROLL(4)
                for (int i = 0; i < M; ++i) MF_UNROLL(4)
                for (int j = 0; j < M; ++j) store(targets[t] + (i * n + j) * CO + c, prelu(sums[i][j] + bias, slope));
            });
    }
}

// A 2x2 convolution of `count` 4x4 maps to 3x3 ones.
template <int CI, int CO>
MF_INLINE void conv2x2(const Layer& layer, const float* in, int count, float* out) {
    const int offsets[2] = {0, 4 * CI};
    const int total = 9 * count;
    for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
        for_tiles(total, [&]<int P>(int first) __attribute__((always_inline)) {
            const float* pixels[P];
            for (int p = 0; p < P; ++p) {
                const int i = first + p < total ? first + p : total - 1;
                pixels[p] = in + (i / 9 * 16 + i % 9 / 3 * 4 + i % 3) * CI;
            }
            V acc[P][NV];
            start(layer, c, acc);
            multiply<P, NV>(pixels, offsets, 2, 2 * CI, layer.direct + c, CO, acc);
            activate(acc, layer, c, CO, out + first * CO);
        });
    });
}

// A dense layer of CI inputs, and the heads on top of it.
template <int CI, int CO>
MF_INLINE void dense_heads(const Layer& dense, const Layer& heads, const float* in, int count, float* hidden,
                           float* out) {
    for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
        for_tiles(count, [&]<int P>(int first) __attribute__((always_inline)) {
            V acc[P][NV];
            start(dense, c, acc);
            multiply<P, NV>(in + first * CI, CI, CI, dense.direct + c, CO, acc);
            activate(acc, dense, c, CO, hidden + first * CO);
        });
    });
    for_channels<16>([&]<int NV>(int c) __attribute__((always_inline)) {
        MF_UNROLL(1)
        for (int i = 0; i < count; ++i) {
            V acc[1][NV];
            start(heads, c, acc);
            multiply<1, NV>(hidden + i * CO, CO, CO, heads.direct + c, 16, acc);
            for (int v = 0; v < NV; ++v) store(out + i * 16 + c + v * kLanes, acc[0][v]);
        }
    });
}

// Calls body<i>() for i = first ... last - 1.
template <std::size_t kFirst, std::size_t kLast, class Body>
MF_INLINE void for_layers(Body body) {
    if constexpr (kFirst < kLast) {
        body.template operator()<kFirst>();
        for_layers<kFirst + 1, kLast>(body);
    }
}

// A network on up to kCropBlock crops.
template <const CropStage& kStage>
class CropNet {
    static constexpr CropNetLayout kLayout{kStage, kLanes};

  public:
    static constexpr std::size_t kScratch = kLayout.floats;

    MF_INLINE CropNet(const CropNetWeights& net, float* scratch) : net_(net), scratch_(scratch) {}

    MF_INLINE void run(const float* crops, int count, float* out) const {
        constexpr int kCrop = 3 * kStage.size * kStage.size;
        constexpr std::size_t kLast = kStage.convolutions - 1;
        for (int i = 0; i < count; ++i) {
            first_layer(crops + i * kCrop, pooled<0>(i));
            for_layers<1, kStage.crop_by_crop>([&]<std::size_t kLayer>()
                                                   __attribute__((always_inline)) { layer<kLayer>(i, 1); });
        }
        for_layers<kStage.crop_by_crop, kLast>([&]<std::size_t kLayer>()
                                                   __attribute__((always_inline)) { layer<kLayer>(0, count); });
        constexpr int kOutputs = kStage.last().outputs;
        constexpr std::size_t kHidden = kLayout.hidden;
        conv2x2<kStage.last().inputs, kOutputs>(net_.convolution[kLast], pooled<kLast - 1>(0), count,
                                                convolved<kLast>());
        dense_heads<9 * kOutputs, kStage.hidden>(net_.dense, net_.heads, convolved<kLast>(), count, scratch_ + kHidden,
                                                 out);
    }

  private:
    template <std::size_t kLayer>
    static constexpr int kChannels = padded_channels(kStage.convolution[kLayer].outputs);

    template <std::size_t kLayer>
    MF_INLINE float* convolved() const {
        constexpr std::size_t kAt = kLayout.convolved[kLayer];
        return scratch_ + kAt;
    }

    // The pooled map of a crop; layers that run crop by crop have one for all.
    template <std::size_t kLayer>
    MF_INLINE float* pooled(int crop) const {
        constexpr std::size_t kAt = kLayout.pooled[kLayer];
        constexpr int kSide = kStage.convolution[kLayer].after_pool(kStage.side(kLayer));
        constexpr int kMap = kLayer + 1 < kStage.crop_by_crop ? 0 : kSide * kSide * kChannels<kLayer>;
        return scratch_ + kAt + crop * kMap;
    }

    MF_INLINE float* workspace() const {
        constexpr std::size_t kAt = kLayout.workspace;
        return scratch_ + kAt;
    }

    MF_INLINE void first_layer(const float* crop, float* out) const {
        const CropConv1<kStage.size, kChannels<0>> conv1(net_.convolution[0], crop, convolved<0>(), workspace(), out);
        conv1.run();
    }

    // A 3x3 convolution and its maximum, of `count` crops from `first` on.
    template <std::size_t kLayer>
    MF_INLINE void layer(int first, int count) const {
        constexpr Convolution kLayerOf = kStage.convolution[kLayer];
        constexpr int kSide = kStage.side(kLayer), kConvolved = kSide - 2;
        constexpr int kIn = kLayerOf.inputs, kStride = kChannels<kLayer - 1>, kOut = kChannels<kLayer>;
        const float* const in = pooled<kLayer - 1>(first);
        float* const maps = convolved<kLayer>();
        conv_winograd<kLayerOf.winograd, kSide, kIn, kStride, kOut>(net_.convolution[kLayer], in, count, workspace(),
                                                                    maps);
        for (int i = 0; i < count; ++i) {
            max_pool<kConvolved, kOut, kLayerOf.pool>(maps + i * kConvolved * kConvolved * kOut,
                                                      pooled<kLayer>(first + i));
        }
    }

    const CropNetWeights& net_;
    float* const scratch_;
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
