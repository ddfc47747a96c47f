// Threads that share out numbered tasks.
#pragma once

#include <atomic>
#include <bitset>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mtcnn_fast {

// Any number of threads may call `run` at once: their runs share the workers, each caller works on its own run, and
// workers join only while no more threads are busy than the machine has processors for. Workers are started when first
// needed.
class ThreadPool {
  public:
    // Called with the number of a task and that of the thread, from 0 (the caller) to one below `num_threads`. A worker
    // has the same number in every run where that is free: memory kept by number stays in the cache of its thread.
    using Task = std::function<void(std::int64_t task, int worker)>;
    // Called by the caller of `run` about twenty times a second.
    using Poll = std::function<void()>;

    // `busy_threads`: how many threads work at once, in all runs together, unless a run asks for more.
    explicit ThreadPool(int busy_threads);
    // No run may be in progress.
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // The pool of this process, never destroyed. A forked child, which has none of its parent's threads, gets a new
    // one.
    static ThreadPool& shared();

    // Runs tasks 0 ... count - 1, begun in this order, on the calling thread and at most num_threads - 1 workers; none
    // for num_threads = 1. An exception from a task or from `poll` keeps further tasks from starting, and is rethrown
    // when those that run have ended; of several, the first.
    void run(std::int64_t count, int num_threads, const Task& task, const Poll& poll = {});

  private:
    static constexpr int kMaxWorkers = 1023;

    // One call of `run`. All but the atomic members are guarded by the pool's mutex.
    struct Job {
        const Task& task;
        const std::int64_t count;
        const int max_threads;
        std::atomic<std::int64_t> next = 0;
        std::atomic<bool> cancelled = false;
        std::atomic<int> helpers = 0;  // workers on it now
        int joined = 1;
        std::bitset<std::size_t{kMaxWorkers} + 1> numbers{1};  // taken by the threads that have joined
        std::exception_ptr error = nullptr;

        bool exhausted() const { return cancelled.load() || next.load() >= count; }
        int join(int usual_number);
    };

    void start_workers(int wanted);
    void work(int usual_number);
    Job* joinable_job();
    void help(Job& job, int worker, const Poll& poll);
    void call(const Poll& poll, Job& job);
    void fail(Job& job, std::exception_ptr error);
    void finish(Job& job, const Poll& poll);

    const int busy_threads_;
    std::mutex mutex_;
    std::condition_variable work_available_;
    std::condition_variable job_done_;
    std::vector<Job*> jobs_;  // oldest first; with capacity reserved, so that a run allocates nothing
    std::vector<std::thread> workers_;
    std::atomic<std::uint64_t> announced_ = 0;  // changes when there may be work to join
    int busy_ = 0;
    bool stopping_ = false;
};

}  // namespace mtcnn_fast
