// Prints the rate of independent fused multiply-adds in GFLOP/s: peak ISA THREADS MILLISECONDS; `peak` alone lists the
// instruction sets that it was built for and this processor has.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

#if defined(__x86_64__)
typedef float V8 __attribute__((vector_size(32)));
typedef float V16 __attribute__((vector_size(64)));
#else
typedef float V4 __attribute__((vector_size(16)));
#endif

constexpr int kTurns = 1000;

// Multiplies and adds on N accumulators: as many as hide the latency, fewer than there are registers. The value of each
// turn depends on the one before, so the compiler cannot merge turns.
template <class V, int N>
inline __attribute__((always_inline)) double multiply_add(float factor, float term) {
    V sum[N];
#pragma GCC unroll 32
    for (int i = 0; i < N; ++i) sum[i] = V{} + static_cast<float>(i);
    for (int turn = 0; turn < kTurns; ++turn) {
#pragma GCC unroll 32
        for (int i = 0; i < N; ++i) sum[i] = sum[i] * (V{} + factor) + (V{} + term);
    }
    V all = sum[0];
#pragma GCC unroll 32
    for (int i = 1; i < N; ++i) all += sum[i];
    volatile float sink = all[0];
    static_cast<void>(sink);
    return 2.0 * N * kTurns * sizeof(V) / sizeof(float);
}

volatile float factor = 0.999f, term = 0.001f;

struct Isa {
    const char* name;
    bool available;
    double (*run)();  // returns how many operations it did
};

#if defined(__x86_64__)
__attribute__((target("avx2,fma"), noinline)) double run_avx2() { return multiply_add<V8, 12>(factor, term); }
__attribute__((target("avx512f,fma"), noinline)) double run_avx512() { return multiply_add<V16, 24>(factor, term); }
const Isa kIsas[] = {{"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), run_avx2},
                     {"avx512", __builtin_cpu_supports("avx512f") != 0, run_avx512}};
#else
double run_neon() { return multiply_add<V4, 24>(factor, term); }
const Isa kIsas[] = {{"neon", true, run_neon}};
#endif

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

int main(int argc, char** argv) {
    for (const Isa& isa : kIsas) {
        if (argc < 2 && isa.available) std::puts(isa.name);
        if (argc < 4 || std::strcmp(argv[1], isa.name) != 0) continue;
        const int threads = std::atoi(argv[2]);
        const double seconds = std::atof(argv[3]) / 1000;
        std::vector<double> rates(static_cast<std::size_t>(threads));
        std::vector<std::thread> pool;
        for (double& rate : rates) {
            pool.emplace_back([&] {
                for (const double until = now() + seconds / 4; now() < until;) isa.run();  // to full clock speed
                const double start = now();
                double operations = 0;
                while (now() < start + seconds) operations += isa.run();
                rate = operations / (now() - start);
            });
        }
        double total = 0;
        for (int i = 0; i < threads; ++i) {
            pool[static_cast<std::size_t>(i)].join();
            total += rates[static_cast<std::size_t>(i)];
        }
        std::printf("%.2f\n", total / 1e9);
    }
}
