// R-Net and O-Net on a block of crops: pixels of interleaved channels, output channels in lanes, register tiles that
// run over pixels and, in the late layers, over crops.
#pragma once

#include <cstring>

#include "cpp/engine/kernel_table.h"
#include "cpp/engine/winograd.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

inline constexpr int kCropTiles = 36;  // Winograd tiles computed together

// Side of a map after a k x k convolution and after a k x k maximum of stride 2 in ceil mode.
constexpr int after_conv(int n, int k) { return n - k + 1; }
constexpr int after_pool(int n, int k) { return (n - k + 1) / 2 + 1; }

// acc + bias, PReLU, to `out`.
template <int P, int NV>
MF_INLINE void activate(const V (&acc)[P][NV], const Layer& layer, int c, int ldo, float* out) {
    MF_UNROLL(12)
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < NV; ++v) {
            const V slope = load(layer.slope + c + v * kLanes);
            store(out + p * ldo + c + v * kLanes, prelu(acc[p][v], slope));
        }
}

template <int P, int NV>
MF_INLINE void start(const Layer& layer, int c, V (&acc)[P][NV]) {
    MF_UNROLL(12)
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < NV; ++v) acc[p][v] = load(layer.bias + c + v * kLanes);
}

// One row of `columns` outputs of a 3x3 convolution; `in` is the first of three rows of `width` pixels of `stride`
// floats, of which CI are used.
template <int CI, int CO>
MF_INLINE void conv3x3_row(const float* in, int width, int stride, int columns, const Layer& layer, float* out) {
    for_channels<CO>([&]<int NV>(int c) __attribute__((always_inline)) {
        for_tiles(columns, [&]<int P>(int x) __attribute__((always_inline)) {
            V acc[P][NV];
            start(layer, c, acc);
            if (stride == CI) {  // a kernel row is contiguous
                MF_UNROLL(1)
                for (int y = 0; y < 3; ++y) {
                    multiply<P, NV>(in + (y * width + x) * stride, stride, 3 * CI, layer.direct + y * 3 * CI * CO + c,
                                    CO, acc);
                }
            } else {
                MF_UNROLL(1)
                for (int k = 0; k < 9; ++k) {
                    multiply<P, NV>(in + ((k / 3) * width + x + k % 3) * stride, stride, CI,
                                    layer.direct + k * CI * CO + c, CO, acc);
                }
            }
            activate(acc, layer, c, CO, out + x * CO);
        });
    });
}

// Maximum of kPool x kPool, stride 2, ceil mode, of a square map.
template <int N, int C, int kPool>
MF_INLINE void max_pool(const float* in, float* out) {
    constexpr int n = after_pool(N, kPool);
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

// conv1 and its 3x3 maximum, by a ring of rows.
template <int S, int C>
MF_INLINE void conv1_pool(const Layer& layer, const float* crop, float* ring, float* out) {
    constexpr int n = after_conv(S, 3), pooled = after_pool(n, 3);
    constexpr int row_floats = (n + 2) * C;
    int done = 0;
    for (int y = 0; y < pooled; ++y) {
        for (; done < 2 * y + 3 && done < n; ++done) {
            conv3x3_row<3, C>(crop + done * S * 3, S, 3, n, layer, ring + (done % 3) * row_floats);
        }
        const float* rows[3];
        for (int i = 0; i < 3; ++i) rows[i] = ring + ((2 * y + i < n ? 2 * y + i : n - 1) % 3) * row_floats;
        MF_UNROLL(1)
        for (int c = 0; c < C; c += kLanes) {
            const auto column = [&](int x) __attribute__((always_inline)) {
                return max(max(load(rows[0] + x * C + c), load(rows[1] + x * C + c)), load(rows[2] + x * C + c));
            };
            V left = column(0);
            for (int x = 0; x < pooled; ++x) {
                const V middle = column(2 * x + 1);
                const V right = 2 * x + 2 < n ? column(2 * x + 2) : middle;
                store(out + (y * pooled + x) * C + c, max(max(left, middle), right));
                left = right;
            }
        }
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

template <int N, int CI, int STRIDE, int CO>
MF_INLINE void conv_direct(const Layer& layer, const float* in, int count, float* out) {
    constexpr int n = N - 2;
    for (int map = 0; map < count; ++map)
        for (int y = 0; y < n; ++y) {
            conv3x3_row<CI, CO>(in + (map * N * N + y * N) * STRIDE, N, STRIDE, n, layer,
                                out + (map * n * n + y * n) * CO);
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

// Maps are padded by what register tiles read or write beyond their last pixel.
inline constexpr std::size_t kMapPad = 3 * 1152;

struct RNetScratch {
    static constexpr std::size_t kRing = 0;
    static constexpr std::size_t kPool1 = kRing + 3 * 24 * 32;
    static constexpr std::size_t kConv2 = kPool1 + kCropBlock * 11 * 11 * 32 + kMapPad;
    static constexpr std::size_t kPool2 = kConv2 + kCropBlock * 9 * 9 * 48 + kMapPad;
    static constexpr std::size_t kConv3 = kPool2 + kCropBlock * 4 * 4 * 48 + kMapPad;
    static constexpr std::size_t kHidden = kConv3 + kCropBlock * 9 * 64 + kMapPad;
    static constexpr std::size_t kWorkspace = kHidden + (kCropBlock + 3) * 128;
    static constexpr std::size_t kFloats = kWorkspace + winograd_workspace<3, 28, 48, kCropTiles>();
};

MF_INLINE void run_rnet(const CropNetWeights& net, const Algorithms& algorithms, const float* crops, int count,
                        float* scratch, float* out) {
    using S = RNetScratch;
    for (int i = 0; i < count; ++i) {
        conv1_pool<24, 32>(net.conv1, crops + i * 24 * 24 * 3, scratch + S::kRing,
                           scratch + S::kPool1 + i * 11 * 11 * 32);
    }
    if (algorithms.rnet_conv2 == Algorithm::kWinograd) {
        conv_winograd<3, 11, 28, 32, 48>(net.conv2, scratch + S::kPool1, count, scratch + S::kWorkspace,
                                         scratch + S::kConv2);
    } else {
        conv_direct<11, 28, 32, 48>(net.conv2, scratch + S::kPool1, count, scratch + S::kConv2);
    }
    for (int i = 0; i < count; ++i) {
        max_pool<9, 48, 3>(scratch + S::kConv2 + i * 9 * 9 * 48, scratch + S::kPool2 + i * 4 * 4 * 48);
    }
    conv2x2<48, 64>(net.conv3, scratch + S::kPool2, count, scratch + S::kConv3);
    dense_heads<576, 128>(net.dense, net.heads, scratch + S::kConv3, count, scratch + S::kHidden, out);
}

struct ONetScratch {
    static constexpr std::size_t kRing = 0;
    static constexpr std::size_t kPool1 = kRing + 3 * 48 * 32;
    static constexpr std::size_t kConv2 = kPool1 + 23 * 23 * 32 + kMapPad;
    static constexpr std::size_t kPool2 = kConv2 + 21 * 21 * 64 + kMapPad;
    static constexpr std::size_t kConv3 = kPool2 + kCropBlock * 10 * 10 * 64 + kMapPad;
    static constexpr std::size_t kPool3 = kConv3 + kCropBlock * 8 * 8 * 64 + kMapPad;
    static constexpr std::size_t kConv4 = kPool3 + kCropBlock * 4 * 4 * 64 + kMapPad;
    static constexpr std::size_t kHidden = kConv4 + kCropBlock * 9 * 128 + kMapPad;
    static constexpr std::size_t kWorkspace = kHidden + (kCropBlock + 3) * 256;
    static constexpr std::size_t kFloats =
        kWorkspace + (winograd_workspace<3, 32, 64, kCropTiles>() > winograd_workspace<4, 64, 64, kCropTiles>()
                          ? winograd_workspace<3, 32, 64, kCropTiles>()
                          : winograd_workspace<4, 64, 64, kCropTiles>());
};

MF_INLINE void run_onet(const CropNetWeights& net, const Algorithms& algorithms, const float* crops, int count,
                        float* scratch, float* out) {
    using S = ONetScratch;
    for (int i = 0; i < count; ++i) {  // the large maps one crop at a time, to stay in the cache
        conv1_pool<48, 32>(net.conv1, crops + i * 48 * 48 * 3, scratch + S::kRing, scratch + S::kPool1);
        if (algorithms.onet_conv2 == Algorithm::kWinograd) {
            conv_winograd<3, 23, 32, 32, 64>(net.conv2, scratch + S::kPool1, 1, scratch + S::kWorkspace,
                                             scratch + S::kConv2);
        } else {
            conv_direct<23, 32, 32, 64>(net.conv2, scratch + S::kPool1, 1, scratch + S::kConv2);
        }
        max_pool<21, 64, 3>(scratch + S::kConv2, scratch + S::kPool2 + i * 10 * 10 * 64);
    }
    if (algorithms.onet_conv3 == Algorithm::kWinograd) {
        conv_winograd<4, 10, 64, 64, 64>(net.conv3, scratch + S::kPool2, count, scratch + S::kWorkspace,
                                         scratch + S::kConv3);
    } else {
        conv_direct<10, 64, 64, 64>(net.conv3, scratch + S::kPool2, count, scratch + S::kConv3);
    }
    for (int i = 0; i < count; ++i) {
        max_pool<8, 64, 2>(scratch + S::kConv3 + i * 8 * 8 * 64, scratch + S::kPool3 + i * 4 * 4 * 64);
    }
    conv2x2<64, 128>(net.conv4, scratch + S::kPool3, count, scratch + S::kConv4);
    dense_heads<1152, 256>(net.dense, net.heads, scratch + S::kConv4, count, scratch + S::kHidden, out);
}

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
