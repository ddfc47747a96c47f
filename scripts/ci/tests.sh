# The README's two commands, the tests with coverage.
make demo
make coverage ARGS="--durations=10"
.venv/bin/python scripts/import_cost.py
