#!/usr/bin/env python3
"""Compare a backend with the reference detections of the shared test data, and print the table.

    python scripts/parity.py [--device numpy] [--jobs 2] [FILE ...]

FILE is the name of a golden file without its ending; default: all of them. Exits with 1 if too few faces match.
"""

from __future__ import annotations

import argparse
import functools
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

from mtcnn_fast.backends import create_backend  # noqa: E402
from mtcnn_fast.config import DetectorConfig  # noqa: E402
from mtcnn_fast.weights import load_weights  # noqa: E402
from support import golden_report  # noqa: E402
from support.golden import BORDERS, Tally, compare_images, load_golden  # noqa: E402


def make_backend(device: str, config: DetectorConfig):
    return create_backend(device, config, load_weights(None))


def run(device: str, job: tuple[str, tuple[str, ...]]) -> Tally:
    name, paths = job
    return compare_images(functools.partial(make_backend, device), load_golden(name), paths)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(BORDERS))
    parser.add_argument("--device", default="numpy")
    parser.add_argument("--jobs", type=int, default=1, help="processes to run at a time")
    options = parser.parse_args()

    names = options.files or list(BORDERS)
    images = [(name, path) for name in names for path in load_golden(name).images]
    jobs = [(name, (path,)) for name, path in images]
    with ProcessPoolExecutor(options.jobs) as pool:
        tallies = list(pool.map(functools.partial(run, options.device), jobs, chunksize=8))

    print(golden_report.HEADER)
    for name in names:
        part = sum((tally for tally, (file, _) in zip(tallies, jobs, strict=True) if file == name), Tally())
        print(golden_report.row(options.device, name, part))
    total = sum(tallies, Tally())
    print(golden_report.row(options.device, "all", total))
    for problem in total.misses + total.extras:
        print(problem)
    return 0 if golden_report.passes(total) else 1


if __name__ == "__main__":
    sys.exit(main())
