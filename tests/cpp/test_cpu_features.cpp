// The engine's own question to the processor has the compiler's answer, where the compiler's library can be had.
#include <cstdio>

#include "check.h"
#include "cpp/engine/cpu_features.h"

namespace {

void the_answer_is_the_compilers() {
    const auto [avx2, avx512, avxvnni, avx512vnni] = mtcnn_fast::engine::cpu_features();
    std::printf("avx2 %d, avx512 %d, avxvnni %d, avx512vnni %d\n", avx2, avx512, avxvnni, avx512vnni);
    CHECK(avx2 || !avx512);
    CHECK((avx2 || !avxvnni) && (avx512 || !avx512vnni));
#if defined(__x86_64__) && defined(__GLIBC__)
    const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    CHECK(avx2 == fused);
    CHECK(avx512 == (fused && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
    CHECK(avx512vnni == (avx512 && __builtin_cpu_supports("avx512vnni")));
#elif !defined(__x86_64__)
    CHECK(!avx2 && !avxvnni);
#endif
}

}  // namespace

int main() { RUN(the_answer_is_the_compilers); }
