# The README's two commands, the tests with coverage.
make demo
make coverage ARGS="--durations=20"
.venv/bin/python scripts/import_cost.py
