# What needs torch, in an environment of its own, so that the stage of the other tests shows what works without it: the
# torch backend (contract, golden files, the real kernels on the emulated device), the networks and their exports,
# tensors as input; and the types, with torch's own at hand. Tests with their coverage of what the other stage leaves out.
source scripts/ci/torch_venv.sh
"$venv/bin/python" -m pytest -m "torch and not long" -n "$JOBS" --durations=10 \
    --cov=mtcnn_fast --cov-config=tests/torch.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=95
"$venv/bin/mypy" --strict python
