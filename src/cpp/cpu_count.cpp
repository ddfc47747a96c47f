#include "cpp/cpu_count.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <istream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace mtcnn_fast {
namespace {

namespace fs = std::filesystem;

std::string first_word(std::istream& stream) {
    std::string word;
    stream >> word;
    return word;
}

// The limit of one group, or 0. Version 2 has "quota period" in one file, where the quota may be "max"; version 1 has
// two files, where the quota may be -1.
int group_limit(const fs::path& group) {
    std::ifstream both(group / "cpu.max");
    std::ifstream quota_file(group / "cpu.cfs_quota_us");
    std::ifstream period_file(group / "cpu.cfs_period_us");
    const std::string quota = both ? first_word(both) : first_word(quota_file);
    const std::string period = both ? first_word(both) : first_word(period_file);
    // What is no number becomes 0.
    const double q = std::strtod(quota.c_str(), nullptr);
    const double p = std::strtod(period.c_str(), nullptr);
    return q > 0 && p > 0 ? static_cast<int>(std::min(std::ceil(q / p), 1e6)) : 0;
}

// Where the groups of one hierarchy are mounted: none for a line of /proc/self/cgroup whose controllers do not include
// "cpu" ("0::/path" is version 2, which has them all).
std::vector<fs::path> mounts(const std::string& controllers, const fs::path& root) {
    if (controllers.empty()) return {root, root / "unified"};
    if (("," + controllers + ",").find(",cpu,") == std::string::npos) return {};
    return {root / "cpu", root / controllers};
}

#ifdef __linux__
int affinity_count() {
    // The kernel refuses a mask that is too small for its processors.
    for (int size = CPU_SETSIZE; size <= 1 << 20; size *= 2) {
        cpu_set_t* const mask = CPU_ALLOC(size);
        if (mask == nullptr) return 0;
        const std::size_t bytes = CPU_ALLOC_SIZE(size);
        const int count = sched_getaffinity(0, bytes, mask) == 0 ? CPU_COUNT_S(bytes, mask) : 0;
        CPU_FREE(mask);
        if (count > 0) return count;
    }
    return 0;
}
#else
int affinity_count() { return 0; }
#endif

}  // namespace

int cgroup_limit(const fs::path& membership, const fs::path& root) {
    int limit = 0;
    std::ifstream lines(membership);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const fs::path group = fs::path(line.substr(second + 1)).relative_path();
        for (const fs::path& mount : mounts(line.substr(first + 1, second - first - 1), root)) {
            // Every group above limits too. In a container, the path may be that of the host: then only the mount
            // exists.
            for (fs::path inner = group;; inner = inner.parent_path()) {
                const int here = group_limit(mount / inner);
                if (here > 0) limit = limit > 0 ? std::min(limit, here) : here;
                if (inner.empty()) break;
            }
        }
    }
    return limit;
}

RememberedCount::RememberedCount(Read read, Clock clock) : read_(std::move(read)), clock_(std::move(clock)) {}

int RememberedCount::get() {
    const std::int64_t now = clock_();
    // Threads that meet an expired count each read it anew: no lock is taken, which a forked child could find locked.
    if (now < expires_.load(std::memory_order_acquire)) return count_.load(std::memory_order_relaxed);
    const int count = read_();
    count_.store(count, std::memory_order_relaxed);
    expires_.store(now + kRememberedNanoseconds, std::memory_order_release);
    return count;
}

int available_threads() {
    static RememberedCount group_limit([] { return cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup"); },
                                       [] {
                                           const auto now = std::chrono::steady_clock::now().time_since_epoch();
                                           return std::chrono::nanoseconds(now).count();
                                       });
    int count = affinity_count();
    if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
    const int limit = group_limit.get();
    if (limit > 0) count = std::min(count, limit);
    return std::max(count, 1);
}

}  // namespace mtcnn_fast
