# Source distribution -> wheel built from it -> self-contained manylinux wheel in dist/, which the other stages use.
# ccache, if there is or can be one, spares the later builds most of the compiling.
source scripts/ci/packages.sh
packages ccache ccache 2> /dev/null || true
source scripts/ci/wheel_tools.sh

rm -rf build/ci/wheel dist
"$tools/bin/python" -m build --outdir build/ci/wheel .
repair_wheel build/ci/wheel/*.whl dist
cp build/ci/wheel/*.tar.gz dist/
"$tools/bin/twine" check --strict dist/*.tar.gz
check_wheels dist/*.whl
ls -l dist
