// What the tests steer: the seed, the reports, the devices that the emulated driver claims to have.
#pragma once

#include <stdint.h>

namespace mf_emulation {

// Uniform in [0, bound), from the seed.
unsigned random_below(unsigned bound);

// Counts a launch and notes its device.
enum class LaunchAnswer { kRun, kSkip, kRefuse };
LaunchAnswer begin_launch(uint64_t blocks);

// The device of the context that is current, and the same for what opens it.
int current_device();
int use_context();
bool is_forked();

// Device memory that the program allocates itself, on the current device.
void* allocate_on_current_device(size_t bytes);
void release_on_device(void* pointer);

// Suspends the running fiber in the middle of its work.
void preempt();

}  // namespace mf_emulation
