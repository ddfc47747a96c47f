# The environment that the stages after it use. torch is named, since from an index alone it may be a build of several
# gigabytes; with it the tests also cover tensors as input.
make .venv/.test .venv/.dev
.venv/bin/pip install --quiet torch==2.13.0
