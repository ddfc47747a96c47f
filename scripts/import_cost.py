"""Print what importing the package costs beyond numpy, in milliseconds (`python -X importtime`, fresh processes)."""

import statistics
import subprocess
import sys

RUNS = 11
STATEMENTS = ("import mtcnn_fast", "from mtcnn_fast import Detector")


def milliseconds(statement: str) -> float:
    """Sum of the times of the modules imported after numpy, each without those that it imports in turn."""
    command = [sys.executable, "-X", "importtime", "-c", f"import numpy; {statement}"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    rows = [line.split(":")[1].split("|") for line in log.splitlines() if line.startswith("import time:")]
    numpy = [name.strip() for _, _, name in rows].index("numpy")
    return sum(int(own) for own, _, _ in rows[numpy + 1 :]) / 1000


def main() -> None:
    for statement in STATEMENTS:
        times = [milliseconds(statement) for _ in range(RUNS)]
        print(f"{statement}: median {statistics.median(times):.1f} ms, lowest {min(times):.1f} ms, of {RUNS} runs")


if __name__ == "__main__":
    main()
