# For other scripts to source: `cross ARGUMENT...` runs cross.py with the compiler it needs; wine and qemu are installed where
# a target wants them and they can be had.
venv=build/ci/cross-venv
if [[ ! $venv/.installed -nt pyproject.toml ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --upgrade 'pip>=25.1'
    "$venv/bin/pip" install --quiet --group cross
    touch "$venv/.installed"
fi
source scripts/ci/packages.sh
cross() {
    local package
    PATH="$PATH:$PWD/$venv/bin"
    for package in $("$venv/bin/python" scripts/ci/cross.py --packages "$@"); do
        dpkg -s "$package" > /dev/null 2>&1 || packages "$package" "$package" || echo "$package cannot be installed"
    done
    "$venv/bin/python" scripts/ci/cross.py "$@"
}
