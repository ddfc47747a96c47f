# A wheel with the CUDA module for two architectures and PTX, compiler warnings and register spills being errors; what
# the compiler says of each kernel, what the binary holds and links, and that it imports where there is no driver.
# Fails where there is no nvcc. With CUDA_ARCHITECTURES=all it takes every architecture that a release has, and writes the
# tables of docs/cuda.md.
venv=build/ci/cuda-venv
build=build/ci/cuda
"${PYTHON:-python3}" -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --upgrade pip
"$venv/bin/pip" install --quiet auditwheel nvidia-cuda-cuobjdump
rm -rf "$build"
mkdir -p "$build"

if [[ ${CUDA_ARCHITECTURES:-} == all ]]; then
    architectures=$(nvcc --list-gpu-code | grep -E '^sm_(7[5-9]|[89][0-9]|1[0-9]{2})$')
    chosen=()
    page=(--page docs/cuda.md)
else
    architectures="sm_75 sm_90"
    chosen=(-C "cmake.define.CMAKE_CUDA_ARCHITECTURES=75-real;90-real;90-virtual")
    page=(--check docs/cuda.md)
fi
MTCNN_FAST_CUDA=on CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-2} "$venv/bin/pip" wheel . --no-deps --verbose --wheel-dir "$build/wheel" \
    -C "build-dir=$build/cmake" -C cmake.define.MTCNN_FAST_WERROR=ON \
    "${chosen[@]}" > "$build/compile.log" 2>&1 ||
    { tail -n 100 "$build/compile.log"; exit 1; }
"$venv/bin/auditwheel" show "$build"/wheel/*.whl
"$venv/bin/pip" install --quiet "$build"/wheel/*.whl

module=$("$venv/bin/python" -c "import mtcnn_fast._cuda as module; print(module.__file__)")
ldd "$module"
"$venv/bin/python" scripts/cuda_report.py --log "$build/compile.log" --module "$module" --architectures $architectures \
    "${page[@]}"
"$venv/bin/python" - <<'END'
from mtcnn_fast import _cuda

status = _cuda.status()
print("status:", status)
assert len(_cuda.devices()) == status["devices"]
assert bool(status["problem"]) == (status["devices"] == 0)
END
