# The engine beyond the tests: what its kernels export, other processors by emulation, and memory in the long run.
# The emulator and the compiler for Arm are Debian's.
# The system's CMake goes first, as in a build by pip: another version orders the flags otherwise, and nothing of the
# compiler's cache would fit.
PATH="$PATH:$PWD/.venv/bin"
part() { printf '\n--- %s (at %d s)\n' "$1" "$SECONDS"; }

source scripts/ci/packages.sh
packages qemu-x86_64 qemu-user
packages qemu-aarch64 qemu-user
packages aarch64-linux-gnu-g++ g++-aarch64-linux-gnu

build_and_test() {
    cmake --preset "$1"
    cmake --build --preset "$1" --parallel "$JOBS"
    ctest --preset "$1" --parallel "$JOBS"
    .venv/bin/python scripts/ci/kernel_symbols.py "build/$1"
    .venv/bin/python scripts/ci/unfused.py "build/$1"
}

part "native build without sanitizers: C++ tests, exported symbols"
build_and_test default

part "the installed wheel on a processor of 2008"
# NumPy's BLAS takes the emulated processor for the one beneath where that is a Zen 5.
OPENBLAS_CORETYPE=Nehalem qemu-x86_64 -cpu Nehalem .venv/bin/python scripts/ci/oldest_processor.py examples/astronaut.jpg

part "AArch64: cross-compiled, C++ tests under emulation"
build_and_test aarch64

part "memory"
.venv/bin/python scripts/soak.py --detections 600 --most 1000
.venv/bin/python scripts/soak.py --peak
part "end"
