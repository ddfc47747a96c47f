#include "race.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <set>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "control.h"
#include "machine.h"

namespace mf_emulation {

Actor* running = nullptr;

namespace {

constexpr size_t kArena = size_t{256} << 20;
constexpr size_t kGap = 256;  // between allocations, so that running off one is seen
constexpr int kPoison = 0xcb;
constexpr size_t kMaxReports = 50;

struct Event {
    uint32_t block = 0;
    uint32_t thread = 0;
    uint32_t barrier = 0;
    uint32_t clock = 0;
};

// History of one byte since `stamp` began: a kernel for global memory, a block for shared memory. Two readers are
// enough: whoever writes, one of them is somebody else.
struct Cell {
    uint32_t stamp = 0;
    bool written = false;
    bool atomic = false;
    uint8_t readers = 0;
    Event write;
    Event read[2];
};

constexpr size_t kMostDynamicShared = 227 * 1024;
alignas(256) char dynamic_memory[kMostDynamicShared];
size_t dynamic_bytes = 0;

template <typename T>
T* reserve(size_t count) {
    void* memory =
        ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<T*>(memory);
}

// The writable data of this library. Of all its sources only the kernels' are watched, and these have no variables
// there but the shared ones.
struct Segment {
    const char* begin = nullptr;
    const char* end = nullptr;

    size_t size() const { return static_cast<size_t>(end - begin); }
};

Segment find_segment() {
    Segment found;
    ::dl_iterate_phdr(
        [](dl_phdr_info* library, size_t, void* result) {
            for (int i = 0; i < library->dlpi_phnum; ++i) {
                const auto& header = library->dlpi_phdr[i];
                const char* begin = reinterpret_cast<const char*>(library->dlpi_addr + header.p_vaddr);
                const char* own = reinterpret_cast<const char*>(&running);
                if (header.p_type != PT_LOAD || own < begin || own >= begin + header.p_memsz) continue;
                *static_cast<Segment*>(result) = {begin, begin + header.p_memsz};
                return 1;
            }
            return 0;
        },
        &found);
    return found;
}

struct Allocation {
    size_t size = 0;
    uint64_t read = 0;  // bytes, by kernels
    uint64_t written = 0;
};

struct Memory {
    char* arena = reserve<char>(kArena);
    Cell* cells = reserve<Cell>(kArena);
    bool* initialised = reserve<bool>(kArena);
    Segment shared = find_segment();
    Cell* shared_cells = reserve<Cell>(shared.size() + 1);
    std::map<size_t, Allocation> blocks;  // by offset in the arena
    std::map<const char*, size_t> heap;
    uint32_t kernel_stamp = 0;
    uint32_t block_stamp = 0;
};

Memory& memory() {
    static Memory& instance = *new Memory;
    return instance;
}

bool ordered(const Event& before, const Actor& now) {
    if (before.block != now.block) return false;
    if (before.thread == now.thread || before.barrier < now.barrier) return true;
    return before.thread / 32 == now.warp() && now.clock[before.thread % 32] >= before.clock;
}

std::string who(const Event& event) {
    return "thread " + std::to_string(event.thread) + " of block " + std::to_string(event.block);
}

Event event_of(const Actor& actor) { return {actor.block, actor.thread, actor.barrier, actor.clock[actor.lane()]}; }

bool conflict(const Event& before, const Actor& now, const char* space, const char* what) {
    if (ordered(before, now)) return false;
    const bool other_block = before.block != now.block;
    report(std::string("race in ") + space + " memory (" + what + ", " +
           (other_block                        ? "different blocks"
            : before.thread / 32 == now.warp() ? "same warp"
                                               : "same block") +
           "): " + who(before) + " and " + who(event_of(now)));
    return true;
}

void remember_read(Cell& cell, const Actor& now) {
    const Event event = event_of(now);
    for (int i = 0; i < cell.readers; ++i) {
        if (ordered(cell.read[i], now)) {
            cell.read[i] = event;
            return;
        }
    }
    if (cell.readers < 2) cell.read[cell.readers++] = event;
}

// False after an offence, so that one access is reported once.
bool touch(Cell& cell, uint32_t stamp, const Actor& now, Access access, const char* space) {
    if (cell.stamp != stamp) {
        cell = Cell{};
        cell.stamp = stamp;
    }
    const bool both_atomic = access == Access::kAtomic && cell.atomic;
    if (cell.written && !both_atomic) {
        if (conflict(cell.write, now, space, access == Access::kRead ? "read after write" : "write after write"))
            return false;
    }
    if (access == Access::kRead) {
        remember_read(cell, now);
        return true;
    }
    for (int i = 0; i < cell.readers; ++i) {
        if (conflict(cell.read[i], now, space, "write after read")) return false;
    }
    cell.written = true;
    cell.atomic = access == Access::kAtomic;
    cell.write = event_of(now);
    cell.readers = 0;
    return true;
}

// The allocation that holds all of these bytes, or null.
Allocation* find_allocation(size_t offset, size_t bytes) {
    auto& blocks = memory().blocks;
    auto next = blocks.upper_bound(offset);
    if (next == blocks.begin()) return nullptr;
    --next;
    return offset + bytes <= next->first + next->second.size ? &next->second : nullptr;
}

void touch_global(size_t offset, size_t bytes, Access access) {
    Memory& m = memory();
    Allocation* const allocation = find_allocation(offset, bytes);
    if (allocation == nullptr) {
        report(std::string(access == Access::kRead ? "read" : "write") + " outside every allocation of device memory");
        return;
    }
    if (access != Access::kWrite) allocation->read += bytes;
    if (access != Access::kRead) allocation->written += bytes;
    for (size_t i = offset; i < offset + bytes; ++i) {
        if (access != Access::kWrite && !m.initialised[i]) {
            report("read of global memory that nothing has written");
            return;
        }
        if (access != Access::kRead) m.initialised[i] = true;
        if (!touch(m.cells[i], m.kernel_stamp, *running, access, "global")) return;
    }
}

// Whether an access lies in the dynamic shared memory, beyond what the launch asked for.
bool exceeds_dynamic_shared(const char* address, size_t bytes) {
    return address >= dynamic_memory && address < dynamic_memory + kMostDynamicShared &&
           address + bytes > dynamic_memory + dynamic_bytes;
}

void touch_shared(size_t offset, size_t bytes, Access access) {
    Memory& m = memory();
    if (exceeds_dynamic_shared(m.shared.begin + offset, bytes)) {
        report("access outside the shared memory that the launch asked for");
        return;
    }
    for (size_t i = offset; i < offset + bytes; ++i) {
        Cell& cell = m.shared_cells[i];
        if (access != Access::kWrite && (cell.stamp != m.block_stamp || !cell.written)) {
            report("read of shared memory that the block has not written");
            return;
        }
        if (!touch(cell, m.block_stamp, *running, access, "shared")) return;
    }
}

}  // namespace

void* device_allocate(size_t bytes) {
    bytes = std::max<size_t>(bytes, 1);
    Memory& m = memory();
#if defined(__SANITIZE_ADDRESS__)
    // Aligned as on the device; what the rounding up adds must not be touched.
    const size_t rounded = (bytes + 255) / 256 * 256;
    char* pointer = static_cast<char*>(std::aligned_alloc(256, rounded));
    std::memset(pointer, kPoison, bytes);
    __asan_poison_memory_region(pointer + bytes, rounded - bytes);
    m.heap[pointer] = bytes;
    return pointer;
#else
    size_t offset = kGap;
    for (const auto& [start, allocation] : m.blocks) {
        if (offset + bytes + kGap <= start) break;
        offset = std::max(offset, (start + allocation.size + 2 * kGap - 1) / 256 * 256);
    }
    if (offset + bytes + kGap > kArena) return nullptr;
    m.blocks[offset] = {bytes, 0, 0};
    std::memset(m.arena + offset, kPoison, bytes);
    std::memset(m.initialised + offset, 0, bytes);
    return m.arena + offset;
#endif
}

void device_release(void* pointer) {
    Memory& m = memory();
    const char* address = static_cast<const char*>(pointer);
#if defined(__SANITIZE_ADDRESS__)
    if (const auto block = m.heap.find(address); block != m.heap.end()) {
        __asan_unpoison_memory_region(pointer, (block->second + 255) / 256 * 256);
        m.heap.erase(block);
        std::free(pointer);
        return;
    }
#endif
    if (m.blocks.erase(static_cast<size_t>(address - m.arena)) == 0) report("release of memory that was not allocated");
}

bool is_device_memory(const void* pointer) {
    Memory& m = memory();
    const char* address = static_cast<const char*>(pointer);
    auto next = m.heap.upper_bound(address);
    if (next != m.heap.begin() && address < std::prev(next)->first + std::prev(next)->second) return true;
    return address >= m.arena && address < m.arena + kArena;
}

void note_host_write(const void* pointer, size_t bytes) {
    Memory& m = memory();
    const char* address = static_cast<const char*>(pointer);
    if (address < m.arena || address >= m.arena + kArena) return;
    const size_t offset = static_cast<size_t>(address - m.arena);
    if (bytes != 0 && find_allocation(offset, bytes) == nullptr) {
        report("copy or fill outside every allocation of device memory");
        return;
    }
    std::memset(m.initialised + offset, 1, bytes);
}

void set_dynamic_shared(size_t bytes) {
    dynamic_bytes = bytes;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(dynamic_memory, kMostDynamicShared);
    __asan_poison_memory_region(dynamic_memory + bytes, kMostDynamicShared - bytes);
#endif
}

void* dynamic_shared() { return dynamic_memory; }

Traffic take_traffic(const void* pointer) {
    Memory& m = memory();
    const auto block = m.blocks.find(static_cast<size_t>(static_cast<const char*>(pointer) - m.arena));
    if (block == m.blocks.end()) return {};
    const Traffic traffic{block->second.read, block->second.written};
    block->second.read = block->second.written = 0;
    return traffic;
}

void begin_kernel() { ++memory().kernel_stamp; }

void begin_block() { ++memory().block_stamp; }

void note_access(const void* pointer, size_t bytes, Access access) {
    if (running == nullptr) return;
    Memory& m = memory();
    const char* address = static_cast<const char*>(pointer);
    if (address >= running->stack && address < running->stack + running->stack_size) return;
    const char* position = reinterpret_cast<const char*>(&here);
    if (address >= position && address < position + sizeof(here)) return;
    if (address >= m.arena && address < m.arena + kArena) {
        touch_global(static_cast<size_t>(address - m.arena), bytes, access);
    } else if (address >= m.shared.begin && address < m.shared.end) {
        touch_shared(static_cast<size_t>(address - m.shared.begin), bytes, access);
    } else if (access != Access::kRead && !is_device_memory(pointer)) {
        report("write to memory that is not the device's");
    } else {
        return;
    }
    if (random_below(64) == 0) preempt();
}

std::vector<std::string>& reports() {
    static std::vector<std::string>& instance = *new std::vector<std::string>;
    return instance;
}

void report(const std::string& text) {
    std::vector<std::string>& all = reports();
    if (all.size() < kMaxReports && std::find(all.begin(), all.end(), text) == all.end()) all.push_back(text);
}

}  // namespace mf_emulation

// The compiler calls these for every access of a source built with -fsanitize=thread; its own runtime is not linked.
#define MF_TSAN_SIZE(size)                                                                                            \
    extern "C" void __tsan_read##size(void* p) { mf_emulation::note_access(p, size, mf_emulation::Access::kRead); }   \
    extern "C" void __tsan_write##size(void* p) { mf_emulation::note_access(p, size, mf_emulation::Access::kWrite); } \
    extern "C" void __tsan_unaligned_read##size(void* p) { __tsan_read##size(p); }                                    \
    extern "C" void __tsan_unaligned_write##size(void* p) { __tsan_write##size(p); }
MF_TSAN_SIZE(1)
MF_TSAN_SIZE(2)
MF_TSAN_SIZE(4)
MF_TSAN_SIZE(8)
MF_TSAN_SIZE(16)

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_read_range(void* p, size_t n) { mf_emulation::note_access(p, n, mf_emulation::Access::kRead); }
void __tsan_write_range(void* p, size_t n) { mf_emulation::note_access(p, n, mf_emulation::Access::kWrite); }
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
}
