#!/usr/bin/env bash
# Fuzz every target for a time, one after the other: scripts/fuzz.sh [SECONDS [TARGET ...]]. It needs the package, and
# atheris where the search is to be guided by coverage (pip install atheris). Inputs that break a promise stay in
# build/fuzz; mend the fault and keep the input in tests/fuzz/seeds/TARGET/.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
seconds=${1:-3600}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(image_bytes arrays weights annotations configurations differential)
findings=${FINDINGS:-build/fuzz}
mkdir -p "$findings"
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    "$python" tests/fuzz/run.py "$target" --seconds "$seconds" --findings "$findings" 2>&1 |
        grep -E "^(FOUND|RUNS|Done|stat::|  [0-9]+ x)|ERROR|SUMMARY" || true
done
found=$(find "$findings" -maxdepth 1 -name '*.txt' | wc -l)
echo "$found kinds of failure in $findings"
[ "$found" -eq 0 ]
