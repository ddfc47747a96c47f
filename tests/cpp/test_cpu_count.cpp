// The count of processors, on control groups and with a clock of the test's own.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cpp/cpu_count.h"

namespace {

using namespace mtcnn_fast;

std::filesystem::path fresh_folder(const std::string& name) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return std::filesystem::temp_directory_path() / ("mtcnn_fast_" + name + "_" + std::to_string(now));
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

void control_groups_limit_the_count() {
    const auto root = fresh_folder("limits");
    const auto limit = [&](const std::string& membership) {
        write(root / "membership", membership);
        return cgroup_limit(root / "membership", root / "sys");
    };
    CHECK(limit("0::/a/b\n") == 0);
    write(root / "sys/a/b/cpu.max", "max 100000\n");
    CHECK(limit("0::/a/b\n") == 0);
    write(root / "sys/a/cpu.max", "250000 100000\n");
    CHECK(limit("0::/a/b\n") == 3);
    write(root / "sys/cpu.max", "50000 100000\n");
    CHECK(limit("0::/a/b\n") == 1);
    CHECK(limit("0::/elsewhere\n") == 1);
    std::filesystem::remove_all(root / "sys");
    write(root / "sys/cpu/c/cpu.cfs_quota_us", "-1\n");
    write(root / "sys/cpu/c/cpu.cfs_period_us", "100000\n");
    CHECK(limit("3:memory:/c\n4:cpu,cpuacct:/c\n") == 0);
    write(root / "sys/cpu/cpu.cfs_quota_us", "400000\n");
    write(root / "sys/cpu/cpu.cfs_period_us", "100000\n");
    CHECK(limit("3:memory:/c\n4:cpu,cpuacct:/c\n") == 4);
    CHECK(limit("3:memory:/c\n4:cpuset:/c\n") == 0);
    CHECK(limit("nonsense\n") == 0);
    CHECK(cgroup_limit(root / "missing", root / "sys") == 0);
    std::filesystem::remove_all(root);
}

void the_count_is_that_of_this_machine() {
    const unsigned processors = std::thread::hardware_concurrency();
    CHECK(available_threads() >= 1);
    CHECK(processors == 0 || available_threads() <= static_cast<int>(processors));
}

// The clock and the reader are the test's own.
void a_count_is_read_once_a_second() {
    std::int64_t now = -5;
    int reads = 0;
    RememberedCount count([&] { return ++reads; }, [&] { return now; });
    CHECK(reads == 0);
    for (int i = 0; i < 100; ++i) CHECK(count.get() == 1);
    now += RememberedCount::kRememberedNanoseconds - 1;
    CHECK(count.get() == 1 && reads == 1);
    ++now;
    CHECK(count.get() == 2 && count.get() == 2 && reads == 2);
    now += 10 * RememberedCount::kRememberedNanoseconds;
    CHECK(count.get() == 3 && reads == 3);
}

void a_limit_that_changes_is_seen_after_a_second() {
    const auto root = fresh_folder("change");
    write(root / "membership", "0::/\n");
    write(root / "sys/cpu.max", "200000 100000\n");
    std::int64_t now = 0;
    RememberedCount limit([&] { return cgroup_limit(root / "membership", root / "sys"); }, [&] { return now; });
    CHECK(limit.get() == 2);
    write(root / "sys/cpu.max", "700000 100000\n");
    CHECK(limit.get() == 2);
    now += RememberedCount::kRememberedNanoseconds;
    CHECK(limit.get() == 7);
    std::filesystem::remove_all(root);
}

void many_threads_may_ask() {
    std::atomic<std::int64_t> now = 0;
    std::atomic<int> reads = 0;
    RememberedCount count(
        [&] {
            ++reads;
            return 3;
        },
        [&] { return now += RememberedCount::kRememberedNanoseconds / 100; });
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 1000; ++k) CHECK(count.get() == 3);
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(reads >= 30 && reads < 1000);
}

}  // namespace

int main() {
    RUN(control_groups_limit_the_count);
    RUN(the_count_is_that_of_this_machine);
    RUN(a_count_is_read_once_a_second);
    RUN(a_limit_that_changes_is_seen_after_a_second);
    RUN(many_threads_may_ask);
}
