// The engine's own question to the processor has the compiler's answer, where the compiler's library can be had.
#include <cstdio>

#include "check.h"
#include "cpp/engine/cpu_features.h"

namespace {

void the_answer_is_the_compilers() {
    const auto [avx2, avx512, avxvnni, avx512vnni, amx] = mtcnn_fast::engine::cpu_features();
    std::printf("avx2 %d, avx512 %d, avxvnni %d, avx512vnni %d, amx %d\n", avx2, avx512, avxvnni, avx512vnni, amx);
    CHECK(avx2 || !avx512);
    CHECK((avx2 || !avxvnni) && (avx512 || !avx512vnni) && (avx512 || !amx));
    // The system gives the registers where it saves them, and only there.
    CHECK(mtcnn_fast::engine::request_tiles() == amx);
#if defined(__x86_64__) && defined(__GLIBC__)
    const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    CHECK(avx2 == fused);
    CHECK(avx512 == (fused && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
    CHECK(avx512vnni == (avx512 && __builtin_cpu_supports("avx512vnni")));
    CHECK(amx == (avx512 && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16")));
#elif !defined(__x86_64__)
    CHECK(!avx2 && !avxvnni && !amx);
#endif
}

}  // namespace

int main() { RUN(the_answer_is_the_compilers); }
