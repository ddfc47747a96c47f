// A plugin of qemu: how often a cache line goes from one thread to another, between two functions, and at which
// instructions. Each thread has a cache of its own without limit, so that nothing but writes of others empties it.
//
// Arguments: begin and end, the functions' addresses; out, a file that gets a line
//   ADDRESS ACCESSES TRUE FALSE  of each instruction that reads or writes memory: how often, and how often the thread
//                                had lost the line to one that wrote in it: those bytes (true sharing) or others
//   thread NUMBER ACCESSES       of each thread
//   call NUMBER TIMES            of each system call
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "plugin.h"

int qemu_plugin_version = 1;

namespace {

constexpr std::uint64_t kLine = 64;
constexpr unsigned kThreads = 64;

struct Site {
    std::uint64_t address = 0;
    std::atomic<std::uint64_t> accesses = 0, real = 0, unreal = 0;
};

struct Line {
    std::uint64_t holders = 0;  // a bit for each thread whose copy is valid
    std::uint64_t known = 0;    // a bit for each thread that has ever had a copy
    int writer = -1;
    std::uint64_t written = 0;  // a bit for each byte that the writer has changed since others had a valid copy
};

struct Part {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, Line> lines;
};

std::uint64_t begin_address, end_address;
std::string out;
std::atomic<bool> counting = false;
std::mutex mutex;  // of sites and calls
std::deque<Site> sites;
std::map<std::int64_t, std::uint64_t> calls;
std::array<Part, 1024> parts;
std::array<std::atomic<std::uint64_t>, kThreads> accesses;

// Of an access that lies in one line.
void access(unsigned thread, std::uint64_t address, std::uint64_t size, bool store, bool counted, Site& site) {
    const std::uint64_t number = address / kLine, self = std::uint64_t{1} << thread;
    const std::uint64_t bytes = ((std::uint64_t{1} << size) - 1) << (address % kLine);
    Part& part = parts[number % parts.size()];
    const std::scoped_lock lock(part.mutex);
    Line& line = part.lines[number];
    if (counted && (line.holders & self) == 0 && (line.known & self) != 0) {
        ++((line.written & bytes) != 0 ? site.real : site.unreal);
    }
    line.holders |= self;
    line.known |= self;
    if (!store) return;
    if (line.holders != self) line.written = 0;
    line.holders = self;
    line.writer = static_cast<int>(thread);
    line.written |= bytes;
}

void touches(unsigned thread, std::uint32_t info, std::uint64_t address, void* data) {
    auto& site = *static_cast<Site*>(data);
    // What the caches hold when counting begins is what the call before has left there.
    const bool counted = counting.load(std::memory_order_relaxed);
    if (counted) {
        site.accesses.fetch_add(1, std::memory_order_relaxed);
        accesses.at(thread).fetch_add(1, std::memory_order_relaxed);
    }
    const std::uint64_t size = std::uint64_t{1} << qemu_plugin_mem_size_shift(info);
    const bool store = qemu_plugin_mem_is_store(info);
    const std::uint64_t first = std::min(size, kLine - address % kLine);
    access(thread, address, first, store, counted, site);
    if (first < size) access(thread, address + first, size - first, store, counted, site);
}

void begins(unsigned /*processor*/, void* /*data*/) { counting = true; }
void ends(unsigned /*processor*/, void* /*data*/) { counting = false; }

void translated(std::uint64_t /*id*/, qemu_plugin_tb* tb) {
    for (std::size_t i = 0; i < qemu_plugin_tb_n_insns(tb); ++i) {
        qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(tb, i);
        const std::uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (i == 0 && address == begin_address)
            qemu_plugin_register_vcpu_tb_exec_cb(tb, begins, QEMU_PLUGIN_CB_NO_REGS, nullptr);
        if (i == 0 && address == end_address)
            qemu_plugin_register_vcpu_tb_exec_cb(tb, ends, QEMU_PLUGIN_CB_NO_REGS, nullptr);
        const std::scoped_lock lock(mutex);
        Site& site = sites.emplace_back();
        site.address = address;
        qemu_plugin_register_vcpu_mem_cb(instruction, touches, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, &site);
    }
}

void calls_the_system(std::uint64_t /*id*/, unsigned /*processor*/, std::int64_t number, std::uint64_t, std::uint64_t,
                      std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t) {
    if (!counting) return;
    const std::scoped_lock lock(mutex);
    ++calls[number];
}

void write(std::uint64_t /*id*/, void* /*data*/) {
    const std::scoped_lock lock(mutex);
    std::ofstream file(out);
    for (const Site& site : sites) {
        if (site.accesses == 0) continue;
        file << std::hex << site.address << std::dec << ' ' << site.accesses << ' ' << site.real << ' ' << site.unreal
             << '\n';
    }
    for (unsigned thread = 0; thread < kThreads; ++thread) {
        if (accesses.at(thread) > 0) file << "thread " << thread << ' ' << accesses.at(thread) << '\n';
    }
    for (const auto& [number, times] : calls) file << "call " << number << ' ' << times << '\n';
}

}  // namespace

int qemu_plugin_install(std::uint64_t id, const void* /*info*/, int count, char** arguments) {
    const PluginArguments given(count, arguments);
    begin_address = given.address("begin");
    end_address = given.address("end");
    out = given.text("out");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, calls_the_system);
    qemu_plugin_register_atexit_cb(id, write, nullptr);
    return 0;
}
