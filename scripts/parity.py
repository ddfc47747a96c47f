#!/usr/bin/env python3
"""Compare a backend with the reference detections of the shared test data, and print the table.

    python scripts/parity.py [--device numpy] [--jobs 2] [FILE ...]
    python scripts/parity.py --filter [int8|amx] [--weights wider] [--jobs 2]

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
from mtcnn_fast.backends.native import filter_margins, make_engine  # noqa: E402
from mtcnn_fast.config import FILTERS, DetectorConfig, Filter  # noqa: E402
from mtcnn_fast.faces.overlap import iou_matrix  # noqa: E402
from mtcnn_fast.images import load_image  # noqa: E402
from mtcnn_fast.weights import load_weights  # noqa: E402
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
    """Counts of one image: faces without the filter, those lost or changed, windows of each network, those dropped."""

    faces: int = 0
    lost: int = 0
    changed: int = 0
    rnet: int = 0
    rnet_dropped: int = 0
    onet: int = 0
    onet_dropped: int = 0

    def __add__(self, other: Filtered) -> Filtered:
        return Filtered(*(sum(pair) for pair in zip(*map(dataclasses.astuple, (self, other)), strict=True)))


def run_filtered(name: Filter, weights_name: str | None, job: tuple[DetectorConfig, Path]) -> Filtered:
    config, path = job
    weights = load_weights(weights_name)
    image = load_image(path)
    plain, filtered = (dataclasses.replace(config, filter=each, num_threads=1) for each in (None, name))
    (expected,) = create_backend("cpu", plain, weights).detect([image])
    (found,) = create_backend("cpu", filtered, weights).detect([image])
    lost = changed = 0
    for box, score, points in zip(expected.boxes, expected.scores, expected.landmarks, strict=True):
        same = (found.boxes == box).all(axis=1) & (found.scores == score)
        same &= (found.landmarks == points).all(axis=(1, 2))
        near = iou_matrix(np.float64(box[None]), np.float64(found.boxes), inclusive=False)[0] > 0.5
        changed += not same.any() and near.any()
        lost += not near.any()
    changed += max(0, len(found) - (len(expected) - lost))  # faces that are there only with the filter
    windows: dict[str, int] = {}
    engine = make_engine(filtered, weights)
    for network, margin in filter_margins(name, weights).items():
        ((_, rough),) = engine.filter_differences([image], network, 1)
        threshold = config.thresholds[("pnet", "rnet", "onet").index(network)]
        floor = np.log(threshold / (1 - threshold)) - margin - 1e-3
        windows |= {network: len(rough), f"{network}_dropped": int((rough < floor).sum())}
    return Filtered(len(expected), int(lost), int(changed), **windows)


def compare_filter(filter_: Filter, weights: str | None, jobs: int, every: int) -> int:
    """Print what the filter changes; return the status to exit with."""
    sets = {
        "WIDER FACE": (DetectorConfig(), sorted((DATA / "wider/WIDER_val/images").rglob("*.jpg"))),
        "FDDB": (DetectorConfig(), sorted((DATA / "fddb/images").rglob("*.jpg"))),
    }
    for name in BORDERS:
        golden = load_golden(name)
        sets[name] = (golden.config, [golden.root / path for path in golden.images])
    print("| images of | images | faces | lost | changed | windows of R-Net | dropped | windows of O-Net | dropped |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    total = Filtered()
    with ProcessPoolExecutor(jobs) as pool:
        for name, (config, paths) in sets.items():
            paths = paths[::every]
            run_one = functools.partial(run_filtered, filter_, weights)
            part = sum(pool.map(run_one, [(config, path) for path in paths], chunksize=8), Filtered())
            counts = " | ".join(map(str, (len(paths), part.faces, part.lost, part.changed)))
            shares = [
                f"{windows} | {dropped / windows:.1%}" if windows else "- | -"
                for windows, dropped in ((part.rnet, part.rnet_dropped), (part.onet, part.onet_dropped))
            ]
            print(f"| {name} | {counts} | {' | '.join(shares)} |", flush=True)
            total += part
    return int(total.lost + total.changed > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(BORDERS))
    parser.add_argument("--device", default="numpy")
    parser.add_argument("--jobs", type=int, default=1, help="processes to run at a time")
    parser.add_argument("--every", type=int, default=1, help="with --filter, take one image of so many")
    parser.add_argument("--filter", nargs="?", const="int8", choices=FILTERS, help="compare a filter with none")
    parser.add_argument("--weights", help="with --filter; those of the package unless given")
    options = parser.parse_args()
    if options.filter:
        return compare_filter(options.filter, options.weights, options.jobs, options.every)

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
