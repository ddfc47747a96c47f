# The engine beyond the tests: what its kernels export, other processors by emulation, and memory in the long run.
# The emulator and the compiler for Arm are Debian's.
PATH="$PWD/.venv/bin:$PATH"
part() { printf '\n--- %s (at %d s)\n' "$1" "$SECONDS"; }

missing() { for tool in qemu-x86_64 qemu-aarch64 aarch64-linux-gnu-g++; do command -v "$tool" || return 0; done; return 1; }
if missing > /dev/null; then
    part "installing qemu-user and g++-aarch64-linux-gnu"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends qemu-user g++-aarch64-linux-gnu \
        > /dev/null
fi

part "native build without sanitizers: C++ tests, exported symbols"
options=(-G Ninja -DMTCNN_FAST_WERROR=ON -DMTCNN_FAST_TESTS=ON -DMTCNN_FAST_PYTHON=OFF)
cmake -S . -B build/ci/engine "${options[@]}"
cmake --build build/ci/engine --parallel "$JOBS"
ctest --test-dir build/ci/engine --parallel "$JOBS" --output-on-failure --no-tests=error
python scripts/ci/kernel_symbols.py build/ci/engine

part "the installed wheel on a processor of 2008"
qemu-x86_64 -cpu Nehalem .venv/bin/python scripts/ci/oldest_processor.py examples/astronaut.jpg

part "AArch64: cross-compiled, C++ tests under emulation"
cmake -S . -B build/ci/aarch64 "${options[@]}" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64;-L;/usr/aarch64-linux-gnu"
cmake --build build/ci/aarch64 --parallel "$JOBS" --target test_engine test_engine_steps
ctest --test-dir build/ci/aarch64 --parallel "$JOBS" --output-on-failure --no-tests=error --tests-regex engine
python scripts/ci/kernel_symbols.py build/ci/aarch64

part "memory"
python scripts/soak.py --detections 600 --most 1000
python scripts/soak.py --peak
part "end"
