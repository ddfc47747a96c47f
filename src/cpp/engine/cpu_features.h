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
};

// Nothing on other processors than x86-64.
CpuFeatures cpu_features();

}  // namespace mtcnn_fast::engine
