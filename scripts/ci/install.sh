# The environment that other stages use, with the wheel of the stage before.
make .venv/.build .venv/.test WHEEL="$(echo dist/*.whl)"
