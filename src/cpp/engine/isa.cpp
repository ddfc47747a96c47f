#include "cpp/engine/isa.h"

#include <stdexcept>

namespace mtcnn_fast::engine {

#if defined(__x86_64__)
extern const KernelTable* const kKernels_sse2;
extern const KernelTable* const kKernels_avx2;
extern const KernelTable* const kKernels_avx512;
#else
extern const KernelTable* const kKernels_neon;
#endif

std::vector<const KernelTable*> available_kernels() {
    std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
    // These also ask whether the operating system saves the wider registers.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tables.push_back(kKernels_avx512);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(kKernels_avx2);
    tables.push_back(kKernels_sse2);
#else
    tables.push_back(kKernels_neon);
#endif
    return tables;
}

const KernelTable& select_kernels(const std::string& name) {
    const std::vector<const KernelTable*> tables = available_kernels();
    if (name.empty()) return *tables.front();
    std::string names;
    for (const KernelTable* const table : tables) {
        if (name == table->name) return *table;
        names += (names.empty() ? "'" : ", '") + std::string(table->name) + "'";
    }
    throw std::invalid_argument("instruction set must be one that this processor and build have (" + names +
                                "), got '" + name + "'");
}

}  // namespace mtcnn_fast::engine
