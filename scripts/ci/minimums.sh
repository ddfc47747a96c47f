# The oldest supported Python with exactly the oldest declared version of every runtime dependency: the tests, but
# the slow ones, fuzzers, those that compare backends and those of the CUDA kernels.
source scripts/ci/find_python.sh

oldest=$(sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)
python=$(find_python "$oldest")
if [[ -z $python ]]; then
    echo "skipped: no Python $oldest on this machine"
    exit 0
fi
venv=build/ci/minimums
"$python" -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip)
"${pip[@]}" install --quiet --upgrade pip

wheels=build/ci/wheels/$oldest
[[ -e $(echo "$wheels"/*.whl) ]] || "${pip[@]}" wheel --quiet --no-deps --wheel-dir "$wheels" dist/*.tar.gz
"$venv/bin/python" scripts/ci/minimums.py pyproject.toml > "$venv/constraints.txt"
cat "$venv/constraints.txt"
"${pip[@]}" install --quiet --constraint "$venv/constraints.txt" "$wheels"/*.whl hypothesis pytest pytest-xdist
"${pip[@]}" check
"$venv/bin/mtcnn-fast" --help > /dev/null
"$venv/bin/mtcnn-fast" detect --help > /dev/null
"$venv/bin/mtcnn-fast" info
"$venv/bin/python" -m pytest -m "not (slow or long or contract or golden or property or fuzz)" -n "$JOBS" --ignore=tests/cuda \
    --ignore=tests/backends/cuda
