// The GIL, given up and taken back such that a thread survives the end of the interpreter.
#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <utility>

namespace mtcnn_fast::cuda {

// Runs `function`, which may wait for the GIL. When the interpreter ends, Python up to 3.13 ends a daemon thread there,
// by unwinding its stack. Our frames cannot be unwound: their destructors would need the GIL, and destructors may not
// throw. So the thread stops here until the process ends, as Python 3.14 does itself.
template <typename Function>
auto survive_finalization(Function&& function) {
    try {
        return std::forward<Function>(function)();
    } catch (abi::__forced_unwind&) {
        for (;;) ::pause();
    }
}

// Gives up the GIL for the lifetime of the object.
class GilReleased {
  public:
    GilReleased() : state_(PyEval_SaveThread()) {}
    ~GilReleased() {
        survive_finalization([&] { PyEval_RestoreThread(state_); });
    }
    GilReleased(const GilReleased&) = delete;
    GilReleased& operator=(const GilReleased&) = delete;

  private:
    PyThreadState* state_;
};

}  // namespace mtcnn_fast::cuda
