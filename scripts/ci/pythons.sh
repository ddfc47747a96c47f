# A wheel for every supported Python of this machine, as a release has them, and the one without native code: built from the
# source distribution, made self-contained, checked, installed into a clean environment and tried there.
source scripts/ci/find_python.sh
source scripts/ci/wheel_tools.sh

# try_wheel PYTHON WHEEL VENV: one photo with nothing but the package, then the tests of many threads and of each
# instruction set's results.
try_wheel() {
    local python=$1 wheel=$2 venv=$3
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "$wheel"
    "$venv/bin/python" tests/packaging/smoke.py examples/astronaut.jpg
    "$venv/bin/pip" install --quiet hypothesis pytest
    "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/backends/native/test_fingerprint.py \
        tests/backends/native/test_free_threading.py tests/packaging/test_import.py
}

for version in 3.10 3.11 3.12 3.13 3.14 3.14t 3.15 3.15t; do
    python=$(find_python "$version")
    if [[ -z $python ]]; then
        echo "Python $version: skipped, not on this machine"
        continue
    fi
    wheels=build/ci/wheels/$version
    rm -rf "$wheels"
    mkdir -p "$wheels"
    same=(dist/*-cp"${version/./}"-*.whl)
    if [[ -e ${same[0]} && $version != *t ]]; then
        cp "${same[@]}" "$wheels"
    else
        "$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels/raw" dist/*.tar.gz
        repair_wheel "$wheels"/raw/*.whl "$wheels"
    fi
    check_wheels "$wheels"/*.whl
    try_wheel "$python" "$wheels"/*.whl "build/ci/python$version"
    echo "Python $version: ok"
done

wheels=build/ci/wheels/any
rm -rf "$wheels"
MTCNN_FAST_NATIVE=off "${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" dist/*.tar.gz
check_wheels "$wheels"/*-py3-none-any.whl
try_wheel "${PYTHON:-python3}" "$wheels"/*.whl build/ci/python-any
echo "without native code: ok"
