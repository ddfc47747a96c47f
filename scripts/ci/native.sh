# The C++ tests under the sanitizers.
PATH="$PWD/.venv/bin:$PATH"
for sanitizers in address,undefined thread; do
    folder=build/ci/${sanitizers/,/-}
    cmake -S . -B "$folder" -G Ninja -DMTCNN_FAST_WERROR=ON -DMTCNN_FAST_TESTS=ON -DMTCNN_FAST_PYTHON=OFF \
        "-DMTCNN_FAST_SANITIZE=$sanitizers"
    cmake --build "$folder" --parallel "$JOBS"
    ctest --test-dir "$folder" --parallel "$JOBS" --output-on-failure --no-tests=error
done
