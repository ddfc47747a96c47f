// Stackful coroutines for the threads of a block.
#pragma once

#include <stddef.h>

namespace mf_emulation {

struct Fiber {
    char* stack = nullptr;  // lowest address
    size_t stack_size = 0;
    void* stack_pointer = nullptr;
    void* sanitizer_stack = nullptr;
};

// Makes `fiber` start in `entry` when it is next resumed; its stack is allocated once and reused.
void prepare(Fiber& fiber, void (*entry)());
// Runs `fiber` until it suspends itself.
void resume(Fiber& fiber);
// Returns to whoever resumed the running fiber; `last` frees what a sanitizer keeps for it.
void suspend(Fiber& fiber, bool last);
// A fiber's entry calls this first.
void entered();
void release(Fiber& fiber);

}  // namespace mf_emulation
