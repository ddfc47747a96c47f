# The C++ tests under the sanitizers.
# The system's CMake goes first, as in a build by pip: another version orders the flags otherwise, and nothing of the
# compiler's cache would fit.
PATH="$PATH:$PWD/.venv/bin"
for preset in asan tsan; do
    cmake --preset "$preset"
    cmake --build --preset "$preset" --parallel "$JOBS"
    ctest --preset "$preset" --parallel "$JOBS"
done
