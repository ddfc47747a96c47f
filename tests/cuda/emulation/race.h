// Memory as the checks see it: which bytes belong to the device, which hold a value, and who touched each one last.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

namespace mf_emulation {

// Lane clocks: clock[l] is the last step of lane l of the same warp that is known to have happened before.
struct Actor {
    uint32_t block = 0;
    uint32_t thread = 0;   // within the block
    uint32_t barrier = 0;  // block barriers passed
    uint32_t clock[32] = {};
    const char* stack = nullptr;
    size_t stack_size = 0;

    uint32_t lane() const { return thread % 32; }
    uint32_t warp() const { return thread / 32; }
};

// The thread whose fiber runs, null outside kernels.
extern Actor* running;

enum class Access { kRead, kWrite, kAtomic };

void* device_allocate(size_t bytes);
void device_release(void* pointer);
bool is_device_memory(const void* pointer);
// Marks memory written by the host (copies and fills).
void note_host_write(const void* pointer, size_t bytes);
// Bytes that kernels read and wrote of one allocation since the last call. Only the race build sees them.
struct Traffic {
    uint64_t read = 0;
    uint64_t written = 0;
};
Traffic take_traffic(const void* pointer);
// Forgets the accesses of the previous kernel: the stream orders it before this one.
void begin_kernel();
// Marks shared memory as holding nothing.
void begin_block();
// Makes the first `bytes` of the dynamic shared memory usable for the blocks that follow.
void set_dynamic_shared(size_t bytes);
void note_access(const void* pointer, size_t bytes, Access access);

// One line for each different offence.
void report(const std::string& text);
std::vector<std::string>& reports();

}  // namespace mf_emulation
