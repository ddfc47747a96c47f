// The engine's own question to the processor has the compiler's answer, where the compiler's library can be had.
#include <cstdio>

#include "check.h"
#include "cpp/engine/cpu_features.h"

namespace {

void the_answer_is_the_compilers() {
    const auto [avx2, avx512] = mtcnn_fast::engine::cpu_features();
    std::printf("avx2 %d, avx512 %d\n", avx2, avx512);
    CHECK(avx2 || !avx512);
#if defined(__x86_64__) && defined(__GLIBC__)
    const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    CHECK(avx2 == fused);
    CHECK(avx512 == (fused && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
#elif !defined(__x86_64__)
    CHECK(!avx2);
#endif
}

}  // namespace

int main() { RUN(the_answer_is_the_compilers); }
