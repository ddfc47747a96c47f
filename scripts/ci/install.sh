# The environment that the stages after it use, with the wheel that was just built.
# torch is named, since from an index alone it may be a build of several gigabytes; with it the tests also cover tensors.
make .venv/.test .venv/.dev WHEEL="$(echo dist/*.whl)"
.venv/bin/pip install --quiet torch==2.13.0
