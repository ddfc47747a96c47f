# For other scripts to source: $venv is an environment with the built wheel and torch, made when it is not there or older.
# torch is named with its version, since from an index alone it may be a build of several gigabytes.
venv=build/ci/torch-venv
wheel=$(echo dist/*.whl)
if [[ ! $venv/.installed -nt $wheel ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "$wheel[test,train,onnx]" torch==2.13.0 mypy opencv-python-headless requests tqdm
    # The real package, to compare the stand-in with. It asks for versions of torch, numpy and Pillow that are years old.
    "$venv/bin/pip" install --quiet --no-deps facenet-pytorch==2.6.0
    touch "$venv/.installed"
fi

# Two processes share the processors; torch's own threads would only get into each other's way.
export OMP_NUM_THREADS=1
