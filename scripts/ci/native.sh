# C++ with warnings as errors, then its tests under the sanitizers.
make .venv/.dev
PATH="$PWD/.venv/bin:$PATH"
options=(-G Ninja -DMTCNN_FAST_WERROR=ON -DMTCNN_FAST_TESTS=ON "-DPython_EXECUTABLE=$PWD/.venv/bin/python"
    "-Dpybind11_DIR=$(python -m pybind11 --cmakedir)")

cmake -S . -B build/ci/werror "${options[@]}"
cmake --build build/ci/werror --parallel "$JOBS"
ctest --test-dir build/ci/werror --output-on-failure --no-tests=error

for sanitizers in address,undefined thread; do
    folder=build/ci/${sanitizers/,/-}
    cmake -S . -B "$folder" "${options[@]}" -DMTCNN_FAST_PYTHON=OFF "-DMTCNN_FAST_SANITIZE=$sanitizers"
    cmake --build "$folder" --parallel "$JOBS"
    ctest --test-dir "$folder" --output-on-failure --no-tests=error
done
