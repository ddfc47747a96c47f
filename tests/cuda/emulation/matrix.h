// What the tensor cores compute, from the fragments of a warp.
#pragma once

#include <stdint.h>

#include <array>

namespace mf_emulation {

// A lane's, as machine.h says.
struct Fragments {
    const uint32_t* a;
    const uint32_t* b;
    float* sums;
};

void multiply_matrices(const std::array<Fragments, 32>& lanes);

}  // namespace mf_emulation
