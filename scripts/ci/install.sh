# The environment that the stages after it use, with the wheel that was just built.
make .venv/.test .venv/.dev WHEEL="$(echo dist/*.whl)"
