// How many threads this process may run at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>

namespace mtcnn_fast {

// At least 1: the processors of the affinity mask, or fewer if a control group (version 1 or 2) limits the process to
// less time than they have. The mask is read in each call; the limit, which takes a dozen files, once a second.
int available_threads();

// Processors' worth of time, rounded up, that control groups allow, or 0 without a limit. `membership` is the process's
// list of groups (/proc/self/cgroup), `root` where they are mounted (/sys/fs/cgroup).
int cgroup_limit(const std::filesystem::path& membership, const std::filesystem::path& root);

// A count that is read at most once a second. Any number of threads may ask.
class RememberedCount {
  public:
    using Read = std::function<int()>;
    using Clock = std::function<std::int64_t()>;  // nanoseconds that never decrease

    static constexpr std::int64_t kRememberedNanoseconds = 1'000'000'000;

    RememberedCount(Read read, Clock clock);
    int get();

  private:
    const Read read_;
    const Clock clock_;
    std::atomic<std::int64_t> expires_ = std::numeric_limits<std::int64_t>::min();
    std::atomic<int> count_ = 0;
};

}  // namespace mtcnn_fast
