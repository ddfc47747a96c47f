# The README's two commands, the tests with coverage. Those of the packaging look at the wheel that was built before.
make demo
export MTCNN_FAST_WHEEL
MTCNN_FAST_WHEEL=$(echo "$PWD"/dist/*.whl)
make coverage ARGS="--durations=10"
.venv/bin/python scripts/import_cost.py
