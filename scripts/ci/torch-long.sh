# What needs torch and takes minutes: every golden file, where the stage `torch` takes one for each border.
source scripts/ci/torch_venv.sh
"$venv/bin/python" -m pytest -m "torch and long" -n "$JOBS" --durations=10
