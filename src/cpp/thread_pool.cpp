#include "cpp/thread_pool.h"
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

#ifndef _WIN32
#include <pthread.h>
#endif

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cpp/cpu_count.h"

namespace mtcnn_fast {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(50);
// Shorter than waking a thread takes: the next run often follows at once.
constexpr auto kSpin = std::chrono::microseconds(40);
constexpr std::size_t kUsualRuns = 64;

std::atomic<ThreadPool*> shared_pool = nullptr;
// How many forks lie between the first process and this one.
std::atomic<int> fork_depth = 0;

// Windows has no fork.
#ifndef _WIN32
// The parent's pool in a forked child, still referred to so that it does not count as leaked.
std::atomic<ThreadPool*> abandoned_pool = nullptr;

void after_fork_in_child() {
    abandoned_pool = shared_pool.exchange(nullptr);
    ++fork_depth;
}

// When the library is loaded, so that no lock is needed later, which another thread could hold during a fork.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);
#endif

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Waits a moment for a condition, without giving up the processor.
template <typename Condition>
bool spin_until(const Condition& condition) {
    const auto end = Clock::now() + kSpin;
    do {
        for (int i = 0; i < 16; ++i) {
            if (condition()) return true;
            pause();
        }
    } while (Clock::now() < end);
    return condition();
}

}  // namespace

ThreadPool::ThreadPool(int busy_threads) : busy_threads_(std::max(busy_threads, 1)) { jobs_.reserve(kUsualRuns); }

ThreadPool::~ThreadPool() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    ++announced_;
    work_available_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

ThreadPool& ThreadPool::shared() {
    ThreadPool* pool = shared_pool.load();
    if (pool == nullptr) {
        auto* const fresh = new ThreadPool(available_threads());
        if (shared_pool.compare_exchange_strong(pool, fresh)) return *fresh;
        delete fresh;
    }
    return *pool;
}

void ThreadPool::run(std::int64_t count, int num_threads, const Task& task, const Poll& poll) {
    Job job{task, count, std::max(num_threads, 1)};
    const auto wanted = static_cast<int>(std::min<std::int64_t>(job.max_threads, count)) - 1;
    if (wanted <= 0) {
        help(job, 0, poll);
        if (job.error) std::rethrow_exception(job.error);
        return;
    }
    {
        const std::scoped_lock lock(mutex_);
        start_workers(wanted);
        jobs_.push_back(&job);
        ++busy_;
    }
    ++announced_;
    for (int i = 0; i < wanted; ++i) work_available_.notify_one();
    help(job, 0, poll);
    finish(job, poll);
    if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::start_workers(int wanted) {
    try {
        while (std::cmp_less(workers_.size(), std::min(wanted, kMaxWorkers))) {
            const auto number = static_cast<int>(workers_.size()) + 1;
            workers_.emplace_back([this, number] { work(number); });
        }
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The system allows no more threads: those there are, and the caller, do it all.
    }
}

// Takes tasks until none is left. `poll` is empty for workers.
void ThreadPool::help(Job& job, int worker, const Poll& poll) {
    auto next_poll = Clock::now() + kPollInterval;
    while (!job.cancelled.load()) {
        const std::int64_t task = job.next.fetch_add(1);
        if (task >= job.count) return;
        try {
            job.task(task, worker);
        } catch (...) {
            fail(job, std::current_exception());
        }
        if (poll && Clock::now() >= next_poll) {
            call(poll, job);
            next_poll = Clock::now() + kPollInterval;
        }
    }
}

void ThreadPool::call(const Poll& poll, Job& job) {
    const int depth = fork_depth.load();
    std::exception_ptr error;
    try {
        poll();
    } catch (...) {
        error = std::current_exception();
    }
    // The callback forked, and this is the child: it has no workers, and one of them may have held the mutex.
    if (fork_depth.load() != depth && job.joined > 1) throw std::runtime_error("forked in the middle of a run");
    if (error) fail(job, std::move(error));
}

void ThreadPool::fail(Job& job, std::exception_ptr error) {
    job.cancelled = true;
    const std::scoped_lock lock(mutex_);
    if (!job.error) job.error = std::move(error);
}

// Waits for the workers that still have a task of the job.
void ThreadPool::finish(Job& job, const Poll& poll) {
    const auto done = [&job] { return job.helpers.load() == 0; };
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    --busy_;
    if (!done()) {
        lock.unlock();
        spin_until(done);
        lock.lock();
    }
    while (!job_done_.wait_for(lock, kPollInterval, done)) {
        if (!poll || job.cancelled.load()) continue;
        lock.unlock();
        call(poll, job);
        lock.lock();
    }
    // A processor is free now, and another run may have waited for it.
    const bool waiting = joinable_job() != nullptr;
    lock.unlock();
    if (waiting) {
        ++announced_;
        work_available_.notify_one();
    }
}

// The oldest run that has tasks left and may have one more thread.
ThreadPool::Job* ThreadPool::joinable_job() {
    for (Job* const job : jobs_) {
        const bool free = busy_ < std::max(busy_threads_, job->max_threads);
        if (free && job->joined < job->max_threads && !job->exhausted()) return job;
    }
    return nullptr;
}

// Gives a worker its usual number, or the lowest free one where a run has fewer threads or another has taken it.
int ThreadPool::Job::join(int usual_number) {
    ++joined;
    int number = usual_number;
    if (number >= max_threads || numbers.test(static_cast<std::size_t>(number))) {
        number = 1;
        while (numbers.test(static_cast<std::size_t>(number))) ++number;
    }
    numbers.set(static_cast<std::size_t>(number));
    return number;
}

void ThreadPool::work(int usual_number) {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        Job* const job = joinable_job();
        if (job == nullptr) {
            const std::uint64_t seen = announced_.load();
            lock.unlock();
            const bool announced = spin_until([&] { return announced_.load() != seen; });
            lock.lock();
            if (!announced) {
                work_available_.wait(lock, [&] { return stopping_ || joinable_job() != nullptr; });
            }
            continue;
        }
        const int worker = job->join(usual_number);
        ++job->helpers;
        ++busy_;
        lock.unlock();
        help(*job, worker, {});
        lock.lock();
        --busy_;
        // The caller may destroy the job as soon as the count is 0 and the mutex is free.
        if (--job->helpers == 0) job_done_.notify_all();
    }
}

}  // namespace mtcnn_fast
