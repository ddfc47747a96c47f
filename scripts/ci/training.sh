# Training, its command and the ablations, in the environment of the stage `torch`.
venv=build/ci/torch-venv
"$venv/bin/pip" install --quiet "$(echo dist/*.whl)[train]"

# Two processes share the processors; torch's own threads would only get into each other's way.
export OMP_NUM_THREADS=1
"$venv/bin/python" -m pytest tests/training -n "$JOBS" --durations=10 \
    --cov=mtcnn_fast --cov-config=tests/training.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=95
