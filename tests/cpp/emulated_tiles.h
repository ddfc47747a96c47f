// AMX's tiles in plain C++: what bfloat_net.h asks of MF_TILES, with the bits that Intel's manual gives to TDPBF16PS.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

// A row of sums.
typedef float Row __attribute__((vector_size(64)));
typedef std::uint32_t RowBits __attribute__((vector_size(64)));
#if !defined(__AVX512F__)
typedef double DoubleRow __attribute__((vector_size(128)));
#endif

// Zero for what is smaller than any normal number, as the instruction takes and leaves it.
MF_INLINE void flush(Row& x) {
    const RowBits bits = (RowBits)x;
    x = (Row)((bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits);
}

using Tile = std::uint32_t[16][16];

#if defined(__AVX512BF16__)

// VDPBF16PS adds both products of a pair to a sum, each as TDPBF16PS does. The other one is 0 * -0: it changes no sum.
MF_INLINE void add_product(Row& sum, float a, const Row& b) {
    sum = (Row)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(a), (__m512bh)b);
}

// The first and the second numbers of sixteen pairs, each beside 0.
MF_INLINE void take_numbers(const std::uint32_t* pairs, Row (&numbers)[2]) {
    RowBits bits;
    std::memcpy(&bits, pairs, sizeof bits);
    numbers[0] = (Row)(bits & 0xffffu);
    numbers[1] = (Row)(bits & 0xffff0000u);
}

// The same beside -0.
MF_INLINE void take_factors(const std::uint32_t* pairs, Row (&numbers)[2]) {
    take_numbers(pairs, numbers);
    numbers[0] = (Row)((RowBits)numbers[0] | 0x80000000u);
    numbers[1] = (Row)((RowBits)numbers[1] | 0x8000u);
}

#else

// sum += a * b, rounded once, of factors with eight bits.
MF_INLINE void add_product(Row& sum, float a, const Row& b) {
#if defined(__AVX512F__)
    sum = _mm512_fmadd_ps(_mm512_set1_ps(a), b, sum);
#else
    // double holds the product, and what it may lose of the sum is too small to matter for the rounding to float.
    const DoubleRow exact = static_cast<double>(a) * __builtin_convertvector(b, DoubleRow);
    sum = __builtin_convertvector(exact + __builtin_convertvector(sum, DoubleRow), Row);
#endif
    flush(sum);
}

// The first and the second numbers of sixteen pairs.
MF_INLINE void take_numbers(const std::uint32_t* pairs, Row (&numbers)[2]) {
    RowBits bits;
    std::memcpy(&bits, pairs, sizeof bits);
    numbers[0] = (Row)(bits << 16);
    numbers[1] = (Row)(bits & 0xffff0000u);
    flush(numbers[0]);
    flush(numbers[1]);
}

MF_INLINE void take_factors(const std::uint32_t* pairs, Row (&numbers)[2]) { take_numbers(pairs, numbers); }

#endif

// Intel's manual, volume 2, TDPBF16PS: the first numbers of the pairs are summed by themselves, and so are the second
// ones; then both are added, and that to the tile. Not inline: its many copies would take long to compile.
__attribute__((noinline)) static void multiply_tiles(Tile& sums_of, const Tile& a, const Tile& b) {
    Row factors[16][2];
    for (int k = 0; k < 16; ++k) take_factors(b[k], factors[k]);
    // Some rows at once, so that their sums need not wait for one another.
    constexpr int kTogether = 8;
    for (int row = 0; row < 16; row += kTogether) {
        Row numbers[kTogether][2], sums[kTogether][2] = {};
        for (int i = 0; i < kTogether; ++i) take_numbers(a[row + i], numbers[i]);
        for (int k = 0; k < 16; ++k) {
            MF_UNROLL(8)
            for (int i = 0; i < kTogether; ++i) {
                add_product(sums[i][0], numbers[i][0][k], factors[k][0]);
                add_product(sums[i][1], numbers[i][1][k], factors[k][1]);
            }
        }
        for (int i = 0; i < kTogether; ++i) {
            Row sum;
            std::memcpy(&sum, sums_of[row + i], sizeof sum);
            flush(sum);
            sums[i][0] += sums[i][1];
            flush(sums[i][0]);
            sum += sums[i][0];
            flush(sum);
            std::memcpy(sums_of[row + i], &sum, sizeof sum);
        }
    }
}

class Tiles {
  public:
    Tiles() = default;
    MF_INLINE void release() {}
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;

    template <int n>
    MF_INLINE void load(const void* from, std::ptrdiff_t pitch) {
        for (int row = 0; row < 16; ++row) {
            std::memcpy(tiles_[n][row], static_cast<const unsigned char*>(from) + row * pitch, 64);
        }
    }
    template <int n>
    MF_INLINE void store(void* to, std::ptrdiff_t pitch) {
        for (int row = 0; row < 16; ++row) {
            std::memcpy(static_cast<unsigned char*>(to) + row * pitch, tiles_[n][row], 64);
        }
    }
    template <int n, int a, int b>
    MF_INLINE void multiply_add() {
        multiply_tiles(tiles_[n], tiles_[a], tiles_[b]);
    }

  private:
    Tile tiles_[8];
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
