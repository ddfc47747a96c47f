// An emulated CUDA device: a grid runs block after block in random order; within a block every thread is a fiber, and
// the fibers run in random order from one barrier or warp operation to the next (in the race build also interrupted at
// random memory accesses). One seed decides every choice.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <mutex>
#include <type_traits>

namespace mf_emulation {

// The device works for one thread at a time.
std::recursive_mutex& device_mutex();

struct Extent {
    unsigned x, y, z;
};

struct Position {
    Extent thread, block, block_size, grid_size;
};

// Where an operation stands in the source.
struct Site {
    const char* file;
    int line;
    bool operator==(const Site&) const = default;
};
#define MF_SITE \
    ::mf_emulation::Site { __FILE__, __LINE__ }

inline constexpr unsigned kFullWarp = 0xffffffffu;
enum class Shuffle { kIndex, kUp, kDown, kXor };

// Of the fiber that runs.
extern Position here;

void sync_block(Site site);
void sync_warp(Site site, unsigned mask = kFullWarp);
unsigned active_mask(Site site);
unsigned ballot(Site site, unsigned mask, bool predicate);
uint64_t shuffle_bits(Site site, unsigned mask, uint64_t bits, Shuffle kind, int lane);

template <typename T>
T shuffle(Site site, unsigned mask, T value, Shuffle kind, int lane) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "the device shuffles 4 or 8 bytes");
    uint64_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    bits = shuffle_bits(site, mask, bits, kind, lane);
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

// A warp's product of a 16 x 16 and a 16 x 8 matrix of half precision, added to `sums`; the fragments are those of
// PTX's mma.m16n8k16: `a` has 4 words, `b` 2, `sums` 4 numbers.
void multiply_add(Site site, const uint32_t* a, const uint32_t* b, float* sums);

void record_atomic(const void* address, size_t bytes);

// Shared memory whose size the launch chooses: false if the kernel was not granted that much.
bool use_dynamic_shared(const void* kernel, size_t bytes);
void* dynamic_shared();

// Runs a whole grid and returns a cudaError_t.
int run_grid(Extent grid, Extent block, const std::function<void()>& kernel);

}  // namespace mf_emulation
