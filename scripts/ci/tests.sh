# The README's test command, with coverage. torch is named here, since from an index alone it may be a build of several
# gigabytes: with it the tests also cover tensors as input.
export MTCNN_FAST_WHEEL
MTCNN_FAST_WHEEL=$(echo "$PWD"/dist/*.whl)
make coverage WITH="torch==2.13.0"
.venv/bin/python scripts/import_cost.py
