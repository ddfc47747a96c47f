// The thread pool; built under the thread sanitizer, and the others, in CI.
#include <algorithm>
#include <cstdint>
#ifndef _WIN32
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cpp/thread_pool.h"

namespace {

using namespace mtcnn_fast;
using std::chrono::milliseconds;

void every_task_runs_once() {
    ThreadPool pool(4);
    for (const int threads : {0, 1, 2, 4, 9}) {
        for (const std::int64_t count : {0, 1, 2, 3, 1000}) {
            std::vector<int> runs(count);
            std::vector<std::atomic<int>> inside(std::max(threads, 1));
            pool.run(count, threads, [&](std::int64_t task, int worker) {
                // Two threads never have the same number at once: what belongs to a number needs no lock.
                CHECK(inside[worker].fetch_add(1) == 0);
                ++runs[task];
                --inside[worker];
            });
            CHECK(std::accumulate(runs.begin(), runs.end(), std::int64_t{0}) == count);
        }
    }
}

void tasks_begin_in_order() {
    ThreadPool pool(4);
    std::vector<std::int64_t> order;
    pool.run(100, 1, [&](std::int64_t task, int) { order.push_back(task); });
    for (std::int64_t i = 0; i < 100; ++i) CHECK(order[i] == i);
    std::atomic<std::int64_t> begun = 0;
    pool.run(1000, 3, [&](std::int64_t task, int) {
        // At most the other two threads took an earlier number and have not got here yet, or a later one and have.
        const std::int64_t before = begun++;
        CHECK(before >= task - 2);
    });
}

void one_thread_is_the_callers_own() {
    ThreadPool pool(4);
    const auto caller = std::this_thread::get_id();
    pool.run(50, 1, [&](std::int64_t, int) { CHECK(std::this_thread::get_id() == caller); });
}

void workers_do_join() {
    ThreadPool pool(2);
    std::atomic<int> here = 0;
    // Each task waits for the other one: neither could end if one thread ran both.
    pool.run(2, 2, [&](std::int64_t, int) {
        ++here;
        while (here < 2) std::this_thread::yield();
    });
}

void an_exception_ends_the_run_and_spares_the_pool() {
    // So many that the others cannot do them all while the system keeps the one that throws from running.
    constexpr std::int64_t kTasks = 1'000'000'000;
    ThreadPool pool(4);
    for (const int threads : {1, 4}) {
        for (int round = 0; round < 50; ++round) {
            std::atomic<std::int64_t> begun = 0;
            std::string message;
            try {
                pool.run(kTasks, threads, [&](std::int64_t task, int) {
                    ++begun;
                    if (task == 10) throw std::runtime_error("task 10");
                });
            } catch (const std::runtime_error& error) {
                message = error.what();
            }
            CHECK(message == "task 10");
            CHECK(begun >= 11 && begun < kTasks);
        }
    }
    every_task_runs_once();
}

void the_poll_can_cancel() {
    ThreadPool pool(2);
    for (const int threads : {1, 2}) {
        std::atomic<int> begun = 0;
        int polls = 0;
        bool cancelled = false;
        const auto start = std::chrono::steady_clock::now();
        try {
            pool.run(
                1000, threads,
                [&](std::int64_t, int) {
                    ++begun;
                    std::this_thread::sleep_for(milliseconds(20));
                },
                [&] {
                    if (++polls == 2) throw std::runtime_error("stop");
                });
        } catch (const std::runtime_error&) {
            cancelled = true;
        }
        CHECK(cancelled && polls == 2 && begun < 1000);
        CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
    }
}

void a_worker_keeps_its_number() {
    ThreadPool pool(4);
    std::array<std::thread::id, 4> threads;
    for (int round = 0; round < 100; ++round) {
        std::atomic<int> here = 0;
        // All four join each time, in any order.
        pool.run(4, 4, [&](std::int64_t, int worker) {
            const auto number = static_cast<std::size_t>(worker);
            if (round == 0) threads[number] = std::this_thread::get_id();
            CHECK(threads[number] == std::this_thread::get_id());
            ++here;
            while (here < 4) std::this_thread::yield();
        });
        // A run of two threads has no other number than 1 for its worker.
        here = 0;
        pool.run(2, 2, [&](std::int64_t, int worker) {
            CHECK((worker == 0) == (std::this_thread::get_id() == threads[0]) && worker < 2);
            ++here;
            while (here < 2) std::this_thread::yield();
        });
    }
}

// The caller has nothing left to do, while a worker is still busy.
void a_waiting_caller_polls() {
    ThreadPool pool(2);
    std::atomic<int> here = 0;
    std::atomic<bool> polled = false;
    pool.run(
        2, 2,
        [&](std::int64_t, int worker) {
            ++here;
            while (here < 2 || (worker != 0 && !polled)) std::this_thread::yield();
        },
        [&] { polled = true; });
    CHECK(polled);
}

void many_callers_share_the_workers() {
    ThreadPool pool(3);
    std::atomic<std::int64_t> sum = 0;
    std::vector<std::thread> callers;
    callers.reserve(6);
    for (int caller = 0; caller < 6; ++caller) {
        callers.emplace_back([&pool, &sum] {
            for (int round = 0; round < 200; ++round) {
                pool.run(20, 3, [&sum](std::int64_t task, int) { sum += task; });
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(sum == 6 * 200 * 190);
}

void runs_may_nest() {
    ThreadPool pool(3);
    std::atomic<int> runs = 0;
    pool.run(8, 3, [&](std::int64_t, int) { pool.run(8, 3, [&](std::int64_t, int) { ++runs; }); });
    CHECK(runs == 64);
}

// Windows has no fork, and qemu 7.2 fails an assertion of its own where a program with threads forks.
#if !defined(_WIN32) && !defined(MTCNN_FAST_EMULATED)
#define MTCNN_FAST_FORKS
void a_forked_child_gets_its_own_pool() {
    ThreadPool& parent = ThreadPool::shared();
    CHECK(&parent == &ThreadPool::shared());
    std::atomic<bool> stop = false;
    std::atomic<int> runs = 0;
    // Another thread keeps taking and leaving the pool's lock.
    std::thread busy([&] {
        while (!stop) parent.run(10, 3, [&](std::int64_t, int) { ++runs; });
    });
    while (runs < 10) std::this_thread::yield();
    for (int i = 0; i < 20; ++i) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);  // a deadlock ends the child by a signal
            std::atomic<int> done = 0;
            ThreadPool::shared().run(100, 3, [&](std::int64_t, int) { ++done; });
            _exit(done == 100 && &ThreadPool::shared() != &parent ? 0 : 1);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);  // NOLINT(misc-include-cleaner): a macro of sys/wait.h
    }
    stop = true;
    busy.join();
    CHECK(&parent == &ThreadPool::shared());
}
#endif

}  // namespace

int main() {
    RUN(every_task_runs_once);
    RUN(tasks_begin_in_order);
    RUN(one_thread_is_the_callers_own);
    RUN(workers_do_join);
    RUN(a_worker_keeps_its_number);
    RUN(an_exception_ends_the_run_and_spares_the_pool);
    RUN(the_poll_can_cancel);
    RUN(a_waiting_caller_polls);
    RUN(many_callers_share_the_workers);
    RUN(runs_may_nest);
#ifdef MTCNN_FAST_FORKS
    RUN(a_forked_child_gets_its_own_pool);
#else
    std::printf("a_forked_child_gets_its_own_pool: not run, there is no fork here or the emulator fails at it\n");
#endif
}
