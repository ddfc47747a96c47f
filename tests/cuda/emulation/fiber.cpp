#include "fiber.h"

#include <sys/mman.h>

#include <new>

#if !defined(__x86_64__)
#error "The emulated device switches fibers in x86-64 assembly."
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// swapcontext would make two system calls a switch, and a kernel's test switches millions of times.
asm(R"(
.text
.globl mf_switch_stack
.hidden mf_switch_stack
.type mf_switch_stack, @function
mf_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size mf_switch_stack, .-mf_switch_stack
)");
extern "C" void mf_switch_stack(void** save, void* load);

namespace mf_emulation {
namespace {

constexpr size_t kStackSize = size_t{256} * 1024;

void* scheduler_stack_pointer = nullptr;
#if defined(__SANITIZE_ADDRESS__)
void* scheduler_sanitizer_stack = nullptr;
const void* scheduler_bottom = nullptr;
size_t scheduler_size = 0;
#endif

}  // namespace

void prepare(Fiber& fiber, void (*entry)()) {
    if (fiber.stack == nullptr) {
        void* stack = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) throw std::bad_alloc();
        fiber.stack = static_cast<char*>(stack);
        fiber.stack_size = kStackSize;
    }
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(fiber.stack, fiber.stack_size);
#endif
    // As if the entry had been called: a return address of null, then the entry and six registers for the switch to
    // pop.
    void** top = reinterpret_cast<void**>(fiber.stack + fiber.stack_size) - 1;
    top[0] = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    fiber.stack_pointer = top;
}

void resume(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_sanitizer_stack, fiber.stack, fiber.stack_size);
#endif
    mf_switch_stack(&scheduler_stack_pointer, fiber.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_sanitizer_stack, nullptr, nullptr);
#endif
}

void suspend(Fiber& fiber, bool last) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(last ? nullptr : &fiber.sanitizer_stack, scheduler_bottom, scheduler_size);
#else
    (void)last;
#endif
    mf_switch_stack(&fiber.stack_pointer, scheduler_stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.sanitizer_stack, &scheduler_bottom, &scheduler_size);
#endif
}

void entered() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
}

void release(Fiber& fiber) {
    if (fiber.stack != nullptr) ::munmap(fiber.stack, fiber.stack_size);
    fiber.stack = nullptr;
}

}  // namespace mf_emulation
