// The GIL, released while C++ works, and taken back without harm when the interpreter ends meanwhile.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>

#if defined(__GLIBC__) && defined(__GLIBCXX__)
#include <cxxabi.h>
#include <unistd.h>
#define MF_FORCED_UNWIND
#endif

namespace mtcnn_fast {

// Takes the GIL back. While the interpreter ends, Python before 3.14 ends a daemon thread that asks for the GIL by
// pthread_exit, which glibc does by unwinding the stack: through destructors, which may not throw, and through handlers
// that catch everything, where the process aborts. Such a thread waits here for the end of the process instead, as it
// does in Python 3.14; its stack, which other threads may still use, stays.
inline void take_gil(PyThreadState* state) noexcept {
#ifdef MF_FORCED_UNWIND
    try {
        PyEval_RestoreThread(state);
    } catch (abi::__forced_unwind&) {
        for (;;) pause();
    }
#else
    PyEval_RestoreThread(state);
#endif
}

// Releases the GIL for as long as it lives. Use it instead of pybind11's scoped classes, which end the process when a
// daemon thread meets the end of the interpreter.
class ReleasedGil {
  public:
    ReleasedGil() : state_(PyEval_SaveThread()) {}
    ~ReleasedGil() { take_gil(state_); }
    ReleasedGil(const ReleasedGil&) = delete;
    ReleasedGil& operator=(const ReleasedGil&) = delete;

    // Lets Python handle signals such as Ctrl-C; throws what a handler raises. On the thread that released the GIL.
    void check_signals() {
        take_gil(state_);
        if (PyErr_CheckSignals() == 0) {
            state_ = PyEval_SaveThread();
            return;
        }
        const std::exception_ptr raised = std::make_exception_ptr(pybind11::error_already_set());
        state_ = PyEval_SaveThread();
        std::rethrow_exception(raised);
    }

  private:
    PyThreadState* state_;
};

}  // namespace mtcnn_fast
