#include "machine.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "control.h"
#include "fiber.h"
#include "matrix.h"
#include "race.h"

namespace mf_emulation {

Position here{};

namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kMaxThreads = 1024;

enum class State { kReady, kAtBarrier, kAtWarpOperation, kAtActiveMask, kDone };
enum class Operation { kSync, kBallot, kShuffle, kMatrix };

struct Thread {
    Fiber fiber;
    Actor actor;
    Position position;
    State state = State::kReady;
    // What the thread waits for, if it does.
    Site site{};
    Operation operation{};
    unsigned mask = 0;
    uint64_t value = 0;
    Shuffle shuffle{};
    int argument = 0;

    unsigned lane() const { return actor.lane(); }
};

struct Machine {
    std::array<Thread, kMaxThreads> threads;
    unsigned size = 0;  // threads of the block
    Thread* current = nullptr;
    const std::function<void()>* kernel = nullptr;
    bool failed = false;
};

// Never destroyed: fibers' stacks must outlive everything that could run at exit.
Machine& machine() {
    static Machine& instance = *new Machine;
    return instance;
}

std::string place(Site site) {
    const char* name = std::strrchr(site.file, '/');
    return std::string(name ? name + 1 : site.file) + ":" + std::to_string(site.line);
}

void leave(State state) {
    Thread& self = *machine().current;
    self.state = state;
    suspend(self.fiber, state == State::kDone);
}

void thread_entry() {
    entered();
    (*machine().kernel)();
    leave(State::kDone);
    __builtin_unreachable();
}

Thread& lane_of(const Thread& self, unsigned lane) { return machine().threads[self.actor.warp() * kWarp + lane]; }

unsigned live_lanes(unsigned warp) {
    unsigned mask = 0;
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        const unsigned index = warp * kWarp + lane;
        if (index < machine().size && machine().threads[index].state != State::kDone) mask |= 1u << lane;
    }
    return mask;
}

// __syncwarp orders the memory accesses of the lanes it joins; votes and shuffles don't.
void join_clocks(const Thread& self, unsigned lanes) {
    uint32_t joined[kWarp] = {};
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        const Actor& actor = lane_of(self, lane).actor;
        for (unsigned i = 0; i < kWarp; ++i) joined[i] = std::max(joined[i], actor.clock[i]);
    }
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        Actor& actor = lane_of(self, lane).actor;
        std::copy(joined, joined + kWarp, actor.clock);
        ++actor.clock[lane];
    }
}

int source_lane(const Thread& thread) {
    const int lane = static_cast<int>(thread.lane());
    switch (thread.shuffle) {
        case Shuffle::kIndex:
            return thread.argument & 31;
        case Shuffle::kUp:
            return lane - thread.argument < 0 ? lane : lane - thread.argument;
        case Shuffle::kDown:
            return lane + thread.argument > 31 ? lane : lane + thread.argument;
        case Shuffle::kXor:
            return (lane ^ thread.argument) & 31;
    }
    __builtin_unreachable();
}

// All lanes' fragments lie on their stacks, which are suspended.
void multiply_fragments(const Thread& self, unsigned lanes) {
    if (lanes != kFullWarp) {
        report("product of matrices at " + place(self.site) + ": not all lanes of the warp take part");
        return;
    }
    std::array<Fragments, kWarp> fragments;
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        fragments[lane] = *reinterpret_cast<const Fragments*>(static_cast<uintptr_t>(lane_of(self, lane).value));
    }
    multiply_matrices(fragments);
}

// Gives every lane of `lanes` its result.
void complete(const Thread& self, unsigned lanes) {
    std::array<uint64_t, kWarp> results{};
    unsigned votes = 0;
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (lanes >> lane & 1 && lane_of(self, lane).value) votes |= 1u << lane;
    }
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        const Thread& thread = lane_of(self, lane);
        if (thread.operation == Operation::kBallot) results[lane] = votes;
        if (thread.operation != Operation::kShuffle) continue;
        const int source = source_lane(thread);
        if (lanes >> source & 1) {
            results[lane] = lane_of(self, static_cast<unsigned>(source)).value;
        } else {
            report("shuffle at " + place(thread.site) + ": lane " + std::to_string(lane) + " reads lane " +
                   std::to_string(source) + ", which takes no part");
            results[lane] = 0xdeadbeefdeadbeefull;
        }
    }
    if (self.operation == Operation::kSync) join_clocks(self, lanes);
    if (self.operation == Operation::kMatrix) multiply_fragments(self, lanes);
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        lane_of(self, lane).value = results[lane];
        lane_of(self, lane).state = State::kReady;
    }
}

bool meets(const Thread& a, const Thread& b) {
    return a.state == State::kAtWarpOperation && b.state == State::kAtWarpOperation && a.operation == b.operation &&
           a.mask == b.mask && (a.operation == Operation::kSync || a.site == b.site);
}

// Lets the warp go on if every lane of the mask that has not exited has arrived.
void try_complete(const Thread& self) {
    const unsigned lanes = self.mask & live_lanes(self.actor.warp());
    for (unsigned lane = 0; lane < kWarp; ++lane) {
        if (lanes >> lane & 1 && !meets(self, lane_of(self, lane))) return;
    }
    complete(self, lanes);
}

uint64_t wait_for_warp(Site site, Operation operation, unsigned mask, uint64_t value) {
    Thread& self = *machine().current;
    if (!(mask >> self.lane() & 1)) {
        report("warp operation at " + place(site) + ": lane " + std::to_string(self.lane()) +
               " is not in its own mask");
        mask |= 1u << self.lane();
    }
    self.site = site;
    self.operation = operation;
    self.mask = mask;
    self.value = value;
    self.state = State::kAtWarpOperation;
    try_complete(self);
    // Even a lane that need not wait yields, so that the order of what follows is the scheduler's choice.
    suspend(self.fiber, false);
    return self.value;
}

// Releases the block barrier once every thread that has not exited stands at it.
bool release_barrier() {
    Machine& m = machine();
    const Thread* first = nullptr;
    for (unsigned i = 0; i < m.size; ++i) {
        const Thread& thread = m.threads[i];
        if (thread.state == State::kDone) continue;
        if (thread.state != State::kAtBarrier) return false;
        if (first == nullptr) first = &thread;
        if (!(first->site == thread.site)) {
            report("threads of one block wait at different barriers: " + place(first->site) + " and " +
                   place(thread.site));
        }
    }
    if (first == nullptr) return false;
    for (unsigned i = 0; i < m.size; ++i) {
        Thread& thread = m.threads[i];
        if (thread.state != State::kAtBarrier) continue;
        ++thread.actor.barrier;
        thread.state = State::kReady;
    }
    return true;
}

// The hardware may find any lanes converged that stand at the same place: take a random subset of each group.
bool release_active_masks() {
    Machine& m = machine();
    for (unsigned i = 0; i < m.size; ++i) {
        Thread& first = m.threads[i];
        if (first.state != State::kAtActiveMask) continue;
        unsigned group = 0;
        for (unsigned lane = 0; lane < kWarp; ++lane) {
            const unsigned index = first.actor.warp() * kWarp + lane;
            if (index >= m.size) break;
            const Thread& other = m.threads[index];
            const bool together = other.state == State::kAtActiveMask && other.site == first.site;
            if (together && (&other == &first || random_below(4) != 0)) group |= 1u << lane;
        }
        for (unsigned lane = 0; lane < kWarp; ++lane) {
            if (!(group >> lane & 1)) continue;
            lane_of(first, lane).value = group;
            lane_of(first, lane).state = State::kReady;
        }
        return true;
    }
    return false;
}

void report_deadlock() {
    Machine& m = machine();
    for (unsigned i = 0; i < m.size; ++i) {
        const Thread& thread = m.threads[i];
        if (thread.state == State::kDone) continue;
        report("deadlock: thread " + std::to_string(i) + " waits for ever at " + place(thread.site));
        return;
    }
}

// A warp is drawn first, then one of its threads, so that whole warps run ahead of others.
Thread* draw(std::vector<unsigned>& ready) {
    Machine& m = machine();
    ready.clear();
    const unsigned warps = (m.size + kWarp - 1) / kWarp;
    const unsigned start = random_below(warps);
    for (unsigned k = 0; k < warps && ready.empty(); ++k) {
        const unsigned warp = (start + k) % warps;
        for (unsigned i = warp * kWarp; i < std::min(m.size, (warp + 1) * kWarp); ++i) {
            if (m.threads[i].state == State::kReady) ready.push_back(i);
        }
    }
    return ready.empty() ? nullptr : &m.threads[ready[random_below(static_cast<unsigned>(ready.size()))]];
}

void run_block(uint32_t number, Extent block, Extent grid_size, Extent block_size) {
    Machine& m = machine();
    begin_block();
    for (unsigned i = 0; i < m.size; ++i) {
        Thread& thread = m.threads[i];
        prepare(thread.fiber, thread_entry);
        thread.state = State::kReady;
        thread.actor = Actor{};
        thread.actor.block = number;
        thread.actor.thread = i;
        thread.actor.clock[i % kWarp] = 1;
        thread.actor.stack = thread.fiber.stack;
        thread.actor.stack_size = thread.fiber.stack_size;
        thread.position = {{i % block_size.x, i / block_size.x % block_size.y, i / (block_size.x * block_size.y)},
                           block,
                           block_size,
                           grid_size};
    }
    std::vector<unsigned> ready;
    ready.reserve(kWarp);
    for (;;) {
        Thread* next = draw(ready);
        if (next == nullptr) {
            if (release_barrier() || release_active_masks()) continue;
            break;
        }
        m.current = next;
        running = &next->actor;
        here = next->position;
        resume(next->fiber);
        running = nullptr;
        // A lane that exits may be the last one that others of its warp wait for.
        if (next->state == State::kDone) {
            for (unsigned lane = 0; lane < kWarp; ++lane) {
                const unsigned index = next->actor.warp() * kWarp + lane;
                if (index < m.size && m.threads[index].state == State::kAtWarpOperation) try_complete(m.threads[index]);
            }
        }
    }
    const bool stuck = std::any_of(m.threads.begin(), m.threads.begin() + m.size,
                                   [](const Thread& thread) { return thread.state != State::kDone; });
    if (stuck) {
        report_deadlock();
        m.failed = true;
    }
    m.current = nullptr;
}

}  // namespace

std::recursive_mutex& device_mutex() {
    static std::recursive_mutex& instance = *new std::recursive_mutex;
    return instance;
}

void sync_block(Site site) {
    machine().current->site = site;
    leave(State::kAtBarrier);
}

void sync_warp(Site site, unsigned mask) { wait_for_warp(site, Operation::kSync, mask, 0); }

unsigned active_mask(Site site) {
    Thread& self = *machine().current;
    self.site = site;
    leave(State::kAtActiveMask);
    return static_cast<unsigned>(self.value);
}

unsigned ballot(Site site, unsigned mask, bool predicate) {
    return static_cast<unsigned>(wait_for_warp(site, Operation::kBallot, mask, predicate));
}

uint64_t shuffle_bits(Site site, unsigned mask, uint64_t bits, Shuffle kind, int lane) {
    machine().current->shuffle = kind;
    machine().current->argument = lane;
    return wait_for_warp(site, Operation::kShuffle, mask, bits);
}

void multiply_add(Site site, const uint32_t* a, const uint32_t* b, float* sums) {
    const Fragments own{a, b, sums};
    wait_for_warp(site, Operation::kMatrix, kFullWarp, reinterpret_cast<uintptr_t>(&own));
}

void preempt() {
    if (machine().current != nullptr && running != nullptr) suspend(machine().current->fiber, false);
}

int run_grid(Extent grid, Extent block, const std::function<void()>& kernel) {
    constexpr int kSuccess = 0, kInvalidConfiguration = 9, kLaunchFailure = 719;
    Machine& m = machine();
    const uint64_t threads = uint64_t{block.x} * block.y * block.z;
    const bool fits = grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
                      grid.z <= 65535 && threads >= 1 && threads <= kMaxThreads && block.z <= 64;
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    if (!fits) return kInvalidConfiguration;
    const LaunchAnswer answer = begin_launch(blocks);
    if (answer != LaunchAnswer::kRun) return answer == LaunchAnswer::kSkip ? kSuccess : kInvalidConfiguration;
    m.size = static_cast<unsigned>(threads);
    m.kernel = &kernel;
    m.failed = false;
    begin_kernel();
    std::vector<uint32_t> order(blocks);
    std::iota(order.begin(), order.end(), 0u);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_below(static_cast<unsigned>(i))]);
    for (const uint32_t number : order) {
        run_block(number, {number % grid.x, number / grid.x % grid.y, number / (grid.x * grid.y)}, grid, block);
        if (m.failed) break;
    }
    m.kernel = nullptr;
    return m.failed ? kLaunchFailure : kSuccess;
}

}  // namespace mf_emulation
