# For other scripts to source: $venv is an environment with Zig's compiler; wine and qemu are installed where they can be.
venv=build/ci/cross-venv
if [[ ! $venv/.installed -nt pyproject.toml ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --upgrade 'pip>=25.1'
    "$venv/bin/pip" install --quiet --group cross
    touch "$venv/.installed"
fi
source scripts/ci/packages.sh
for package in wine64 qemu-user; do
    dpkg -s "$package" > /dev/null 2>&1 || packages "$package" "$package" 2> /dev/null || echo "$package cannot be installed"
done
PATH="$PATH:$PWD/$venv/bin"
