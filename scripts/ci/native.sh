# The C++ tests under the sanitizers.
PATH="$PWD/.venv/bin:$PATH"
for preset in asan tsan; do
    cmake --preset "$preset"
    cmake --build --preset "$preset" --parallel "$JOBS"
    ctest --preset "$preset" --parallel "$JOBS"
done
