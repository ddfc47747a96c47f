// The tiles of AMX: what bfloat_net.h asks of MF_TILES. In assembly, because the intrinsics of GCC up to 13 do not tell
// the compiler that a load reads memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpp/engine/simd_common.h"

namespace mtcnn_fast::engine {
inline namespace MF_ISA {

class Tiles {
  public:
    MF_INLINE Tiles() {
        // Intel's manual, volume 2A, LDTILECFG: palette 1, and of each tile the bytes of a row and the rows.
        struct alignas(64) Configuration {
            std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        };
        static_assert(sizeof(Configuration) == 64);
        const Configuration configuration;
        asm volatile("ldtilecfg %0" : : "m"(configuration));
    }
    // No destructor: it would call for the library of exceptions.
    MF_INLINE void release() { asm volatile("tilerelease"); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;

    template <int n>
    MF_INLINE void load(const void* from, std::ptrdiff_t pitch) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(pitch), "n"(n) : "memory");
    }
    template <int n>
    MF_INLINE void store(void* to, std::ptrdiff_t pitch) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(pitch), "n"(n) : "memory");
    }
    template <int n, int a, int b>
    MF_INLINE void multiply_add() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "n"(n), "n"(a), "n"(b));
    }
};

}  // namespace MF_ISA
}  // namespace mtcnn_fast::engine
