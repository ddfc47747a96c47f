#include "cpp/engine/isa.h"

#include <stdexcept>

namespace mtcnn_fast::engine {

// Each is defined by kernels_<isa>.cpp; CMakeLists.txt says by MTCNN_FAST_HAVE_<isa> which of those are built.
extern const KernelTable* const kKernels_sse2;
extern const KernelTable* const kKernels_avx2;
extern const KernelTable* const kKernels_avx512;
extern const KernelTable* const kKernels_neon;
extern const KernelTable* const kKernels_scalar;

namespace {

bool always() { return true; }

#if defined(__x86_64__)
// These also ask whether the operating system saves the wider registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

// Best first. The last one runs on every processor that the build is for.
const Isa kIsas[] = {
#ifdef MTCNN_FAST_HAVE_avx512
    {"avx512", kKernels_avx512, has_avx512},
#endif
#ifdef MTCNN_FAST_HAVE_avx2
    {"avx2", kKernels_avx2, has_avx2},
#endif
#ifdef MTCNN_FAST_HAVE_sse2
    {"sse2", kKernels_sse2, always},
#endif
#ifdef MTCNN_FAST_HAVE_neon
    {"neon", kKernels_neon, always},
#endif
#ifdef MTCNN_FAST_HAVE_scalar
    {"scalar", kKernels_scalar, always},
#endif
};

}  // namespace

std::vector<Isa> available_isas() {
    std::vector<Isa> isas;
    for (const Isa& isa : kIsas) {
        if (isa.supported()) isas.push_back(isa);
    }
    return isas;
}

Isa select_isa(const std::string& name) {
    const std::vector<Isa> isas = available_isas();
    if (name.empty()) return isas.front();
    std::string names;
    for (const Isa& isa : isas) {
        if (name == isa.name) return isa;
        names += (names.empty() ? "'" : ", '") + std::string(isa.name) + "'";
    }
    throw std::invalid_argument("instruction set must be one that this processor and build have (" + names +
                                "), got '" + name + "'");
}

}  // namespace mtcnn_fast::engine
