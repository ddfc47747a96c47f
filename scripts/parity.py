#!/usr/bin/env python3
"""Compare a backend with the reference detections of the shared test data, and print the table.

    python scripts/parity.py [--device numpy] [--jobs 2] [FILE ...]
    python scripts/parity.py --filter [int8|amx] [--jobs 2]

FILE is the name of a golden file without its ending; default: all of them. Exits with 1 if too few faces match. With
`--filter`, the cpu backend with a filter, "int8" unless given, is compared with itself without, on the photographs of
WIDER FACE and FDDB and with each golden file's settings; exits with 1 if a face is lost or has another bit.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from mtcnn_fast.backends import create_backend  # noqa: E402
from mtcnn_fast.backends.native import make_engine  # noqa: E402
from mtcnn_fast.config import FILTERS, DetectorConfig, Filter  # noqa: E402
from mtcnn_fast.faces.overlap import iou_matrix  # noqa: E402
from mtcnn_fast.images import load_image  # noqa: E402
from mtcnn_fast.weights import int8, load_weights  # noqa: E402
from mtcnn_fast.weights.margins import rnet_bfloat16_margin  # noqa: E402
from support import golden_report  # noqa: E402
from support.data import DATA  # noqa: E402
from support.golden import BORDERS, Tally, compare_images, load_golden  # noqa: E402


def make_backend(device: str, config: DetectorConfig):
    return create_backend(device, config, load_weights(None))


def run(device: str, job: tuple[str, tuple[str, ...]]) -> Tally:
    name, paths = job
    return compare_images(functools.partial(make_backend, device), load_golden(name), paths)


@dataclasses.dataclass(frozen=True)
class Filtered:
    """Counts of one image: faces without the filter, those lost or changed by it, R-Net's windows, those dropped."""

    faces: int = 0
    lost: int = 0
    changed: int = 0
    windows: int = 0
    dropped: int = 0

    def __add__(self, other: Filtered) -> Filtered:
        return Filtered(*(sum(pair) for pair in zip(*map(dataclasses.astuple, (self, other)), strict=True)))


def run_filtered(name: Filter, job: tuple[DetectorConfig, Path]) -> Filtered:
    config, path = job
    weights = load_weights(None)
    image = load_image(path)
    filtered = dataclasses.replace(config, filter=name, num_threads=1)
    (expected,) = make_backend("cpu", dataclasses.replace(config, num_threads=1)).detect([image])
    (found,) = make_backend("cpu", filtered).detect([image])
    lost = changed = 0
    for box, score, points in zip(expected.boxes, expected.scores, expected.landmarks, strict=True):
        same = (found.boxes == box).all(axis=1) & (found.scores == score)
        same &= (found.landmarks == points).all(axis=(1, 2))
        near = iou_matrix(np.float64(box[None]), np.float64(found.boxes), inclusive=False)[0] > 0.5
        changed += not same.any() and near.any()
        lost += not near.any()
    changed += max(0, len(found) - (len(expected) - lost))  # faces that are there only with the filter
    margin = int8.calibration(weights).margin if name == "int8" else rnet_bfloat16_margin(weights)
    engine = make_engine(filtered, weights)
    ((_, rough),) = engine.filter_differences([image], 1)
    threshold = config.thresholds[1]
    floor = np.log(threshold / (1 - threshold)) - margin - 1e-3
    return Filtered(len(expected), int(lost), int(changed), len(rough), int((rough < floor).sum()))


def compare_filter(filter_: Filter, jobs: int, every: int) -> int:
    """Print what the filter changes; return the status to exit with."""
    sets = {
        "WIDER FACE": (DetectorConfig(), sorted((DATA / "wider/WIDER_val/images").rglob("*.jpg"))),
        "FDDB": (DetectorConfig(), sorted((DATA / "fddb/images").rglob("*.jpg"))),
    }
    for name in BORDERS:
        golden = load_golden(name)
        sets[name] = (golden.config, [golden.root / path for path in golden.images])
    print("| images of | images | faces | lost | changed | windows of R-Net | dropped |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    total = Filtered()
    with ProcessPoolExecutor(jobs) as pool:
        for name, (config, paths) in sets.items():
            paths = paths[::every]
            found = pool.map(functools.partial(run_filtered, filter_), [(config, path) for path in paths], chunksize=8)
            part = sum(found, Filtered())
            share = part.dropped / max(part.windows, 1)
            counts = " | ".join(map(str, (len(paths), part.faces, part.lost, part.changed, part.windows)))
            print(f"| {name} | {counts} | {share:.1%} |", flush=True)
            total += part
    return int(total.lost + total.changed > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(BORDERS))
    parser.add_argument("--device", default="numpy")
    parser.add_argument("--jobs", type=int, default=1, help="processes to run at a time")
    parser.add_argument("--every", type=int, default=1, help="with --filter, take one image of so many")
    parser.add_argument("--filter", nargs="?", const="int8", choices=FILTERS, help="compare a filter with none")
    options = parser.parse_args()
    if options.filter:
        return compare_filter(options.filter, options.jobs, options.every)

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
