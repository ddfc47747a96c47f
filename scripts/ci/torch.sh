# What needs torch, in an environment of its own, so that the stage of the other tests shows what works without it: the
# torch backend (contract, golden files, the real kernels on the emulated device), the networks and their exports,
# tensors as input; and the types, with torch's own at hand. Tests with their coverage of what the other stage leaves out.
# torch is named with its version, since from an index alone it may be a build of several gigabytes.
venv=build/ci/torch-venv
"${PYTHON:-python3}" -m venv --clear "$venv"
"$venv/bin/pip" install --quiet "$(echo dist/*.whl)[test,onnx]" torch==2.13.0 mypy opencv-python-headless requests tqdm
# The real package, to compare the stand-in with. It asks for versions of torch, numpy and Pillow that are years old.
"$venv/bin/pip" install --quiet --no-deps facenet-pytorch==2.6.0

# Two processes share the processors; torch's own threads would only get into each other's way.
export OMP_NUM_THREADS=1
"$venv/bin/python" -m pytest -m "torch and not golden" -n "$JOBS" --durations=10 \
    --cov=mtcnn_fast --cov-config=tests/torch.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=95
# One golden file for each border; all of them take five minutes of a processor: the same without -k.
"$venv/bin/python" -m pytest -m "torch and golden" -k "zero or min_face_40" -n "$JOBS"
"$venv/bin/mypy" --strict python
