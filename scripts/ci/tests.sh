# The README's test command, with coverage, on the wheel that the stage before has built.
export MTCNN_FAST_WHEEL
MTCNN_FAST_WHEEL=$(echo "$PWD"/dist/*.whl)
make coverage ARGS="--durations=10"
.venv/bin/python scripts/import_cost.py
