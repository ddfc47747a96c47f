// What the tests steer: the seed, the reports, the devices that the emulated driver claims to have.
#pragma once

#include <stdint.h>

namespace mf_emulation {

// Uniform in [0, bound), from the seed.
unsigned random_below(unsigned bound);

// Notes the device of a launch; false if the tests want it refused.
bool begin_launch(uint64_t blocks);

// Suspends the running fiber in the middle of its work.
void preempt();

}  // namespace mf_emulation
