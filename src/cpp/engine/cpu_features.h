// What the processor and the operating system offer beyond the instructions that every x86-64 processor has.
#pragma once

namespace mtcnn_fast::engine {

// Each is true where the kernels of that name run: the processor has all their instructions, and the operating system
// saves their registers.
struct CpuFeatures {
    bool avx2 = false;
    bool avx512 = false;
    // The dot product of bytes, for 256 and for 512 bits.
    bool avxvnni = false;
    bool avx512vnni = false;
    // Products of tiles of bfloat16. The operating system must be asked for the registers too.
    bool amx = false;
};

// Nothing on other processors than x86-64.
CpuFeatures cpu_features();

// Asks Linux that this process may use AMX's tiles; false where it refuses, and on other systems.
bool request_tiles();

}  // namespace mtcnn_fast::engine
