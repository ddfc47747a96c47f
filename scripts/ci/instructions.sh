# Instructions of fixed pieces of work, counted by callgrind and compared with benchmarks/results/instructions.json.
source scripts/ci/packages.sh
packages valgrind valgrind
.venv/bin/python scripts/instructions.py
