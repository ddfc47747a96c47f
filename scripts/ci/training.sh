# Training, its command and the ablations.
source scripts/ci/torch_venv.sh
"$venv/bin/python" -m pytest tests/training -m "not long" -n "$JOBS" --durations=10 \
    --cov=mtcnn_fast --cov-config=tests/training.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=95
