// __builtin_cpu_supports would do, but needs a run-time library that Clang does not link on Windows.
#include "cpp/engine/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mtcnn_fast::engine {

#if defined(__x86_64__)
namespace {

// Intel's manual, volume 2A, CPUID: leaf 1 in ECX, leaf 7 in EBX, ECX and EDX, its subleaf 1 in EAX.
constexpr std::uint32_t kFma = 1U << 12, kOsSavesMore = 1U << 27, kAvx = 1U << 28;
constexpr std::uint32_t kAvx2 = 1U << 5;
constexpr std::uint32_t kAvx512 = 1U << 16 | 1U << 17 | 1U << 30 | 1U << 31;  // F, DQ, BW, VL
constexpr std::uint32_t kAvx512Vnni = 1U << 11, kAvxVnni = 1U << 4;
constexpr std::uint32_t kAmx = 1U << 22 | 1U << 24;  // BF16, TILE

// Volume 1, XCR0: which registers the operating system saves.
constexpr std::uint32_t kSavesAvx = 0x06;
// Darwin enables the registers of AVX-512 when they are first used; it saves them wherever the processor has them.
#if defined(__APPLE__)
constexpr std::uint32_t kSavesAvx512 = kSavesAvx;
#else
constexpr std::uint32_t kSavesAvx512 = 0xe6;
#endif

constexpr std::uint32_t kSavesTiles = 3U << 17;

bool has(std::uint32_t bits, std::uint32_t wanted) { return (bits & wanted) == wanted; }

std::uint32_t saved_registers() {
    std::uint32_t low = 0, high = 0;
    // The intrinsic would need a flag of the compiler.
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

}  // namespace

CpuFeatures cpu_features() {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || !has(ecx, kOsSavesMore | kAvx | kFma)) return {};
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return {};
    const std::uint32_t saved = saved_registers();
    const bool avx2 = has(ebx, kAvx2) && has(saved, kSavesAvx);
    const bool avx512 = avx2 && has(ebx, kAvx512) && has(saved, kSavesAvx512);
    const bool avx512vnni = avx512 && has(ecx, kAvx512Vnni);
    const bool amx = avx512 && has(edx, kAmx) && has(saved, kSavesTiles);
    // In subleaf 0, EAX is the number of the last one.
    const bool more = eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0;
    return {.avx2 = avx2,
            .avx512 = avx512,
            .avxvnni = avx2 && more && has(eax, kAvxVnni),
            .avx512vnni = avx512vnni,
            .amx = amx};
}
#else
CpuFeatures cpu_features() { return {}; }
#endif

bool request_tiles() {
#if defined(__x86_64__) && defined(__linux__)
    // Documentation/arch/x86/xstate.rst; the headers of old systems lack the names.
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

}  // namespace mtcnn_fast::engine
