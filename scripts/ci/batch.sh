# Batches: processes that die, a full disk, an S3 server on this machine, and a cluster of three Ray nodes of which one is
# killed. One test at a time: each starts processes of its own.
source scripts/ci/batch_venv.sh
"$venv/bin/python" -m pytest tests/distributed -m "not long" --durations=10
