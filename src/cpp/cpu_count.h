// How many threads this process may run at once.
#pragma once

#include <filesystem>

namespace mtcnn_fast {

// At least 1: the processors of the affinity mask, or fewer if a control group (version 1 or 2) limits the process to
// less time than they have.
int available_threads();

// Processors' worth of time, rounded up, that control groups allow, or 0 without a limit. `membership` is the process's
// list of groups (/proc/self/cgroup), `root` where they are mounted (/sys/fs/cgroup).
int cgroup_limit(const std::filesystem::path& membership, const std::filesystem::path& root);

}  // namespace mtcnn_fast
