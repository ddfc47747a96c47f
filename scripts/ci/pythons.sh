# The source distribution is built, installed and tried on every supported Python that this machine has.
source scripts/ci/find_python.sh

for version in 3.10 3.11 3.12 3.13; do
    python=$(find_python "$version")
    if [[ -z $python ]]; then
        echo "Python $version: skipped, not on this machine"
        continue
    fi
    venv=build/ci/python$version
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" wheel --quiet --no-deps --wheel-dir "build/ci/wheels/$version" dist/*.tar.gz
    "$venv/bin/pip" install --quiet "build/ci/wheels/$version"/*.whl
    report=$("$venv/bin/python" tests/packaging/smoke.py examples/astronaut.jpg)
    echo "Python $version: $report"
done
