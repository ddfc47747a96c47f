# The source distribution is built, installed and tried on every supported Python that this machine has.

find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

for version in 3.10 3.11 3.12 3.13; do
    python=$(find_python "$version")
    if [[ -z $python ]]; then
        echo "Python $version: skipped, not on this machine"
        continue
    fi
    venv=build/ci/python$version
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet dist/*.tar.gz
    report=$("$venv/bin/python" tests/packaging/smoke.py examples/astronaut.jpg)
    echo "Python $version: $report"
done
