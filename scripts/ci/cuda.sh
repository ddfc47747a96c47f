# The CUDA module compiled for two architectures and PTX, warnings and register spills being errors, and what the binary
# holds and links. Fails where there is no nvcc.
venv=build/ci/cuda-venv
build=build/ci/cuda
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet pybind11 cmake ninja numpy nvidia-cuda-cuobjdump auditwheel
export PATH="$PWD/$venv/bin:$PATH"

rm -rf "$build"
cmake -S . -B "$build" -G Ninja -DMTCNN_FAST_CUDA=on -DMTCNN_FAST_WERROR=ON "-DCMAKE_CUDA_ARCHITECTURES=75-real;90-real;90-virtual" \
    -DPython_EXECUTABLE="$PWD/$venv/bin/python" -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
cmake --build "$build" --target _cuda --parallel "${JOBS:-2}" 2>&1 | tee "$build/compile.log"
module=$(echo "$build"/src/cuda/_cuda.*.so)

python scripts/cuda_report.py --log "$build/compile.log" --module "$module" --architectures sm_75 sm_90 --check docs/cuda.md
python - "$module" <<'END'
import importlib.util
import sys
spec = importlib.util.spec_from_file_location("_cuda", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print("status:", module.status())
assert module.devices() == [] or module.status()["devices"] > 0
END
