#!/usr/bin/env python3
"""Time detections with the filter before R-Net and without, in turns, for each instruction set, and print a table.

    python benchmarks/filter.py [FOLDER ...] [--rounds 15] [--isa avx2] [--filter amx]

Images: one face in 640x480 and 1920x1080, six in 640x480, and the photographs of the folders. One thread; times are the
processor's, which other work on the machine stretches least. A ratio is that of two detections one after the other.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scenes import Scene

from mtcnn_fast import Detector
from mtcnn_fast._native import native_isas
from mtcnn_fast._types import Image
from mtcnn_fast.config import FILTERS, Filter
from mtcnn_fast.images import load_image

SCENES = (Scene(1, 640, 480), Scene(6, 640, 480), Scene(1, 1920, 1080))


def detectors(isa: str, filter_: Filter) -> list[Detector]:
    """Return a detector without the filter and one with it."""
    os.environ["MTCNN_FAST_ISA"] = isa
    return [Detector("cpu", num_threads=1, filter=name) for name in (None, filter_)]


def measure(pair: list[Detector], images: Iterable[Image], rounds: int) -> np.ndarray:
    """Return seconds ``(images * rounds, 2)`` without and with the filter."""
    times = []
    for image in images:
        for _ in range(rounds):
            row = []
            for detector in pair:
                started = time.thread_time()
                detector.detect(image)
                row.append(time.thread_time() - started)
            times.append(row)
    return np.array(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--isa", nargs="+", default=native_isas(), help="instruction sets; all unless given")
    parser.add_argument("--filter", choices=FILTERS, default="int8")
    options = parser.parse_args()
    scenes = {scene.name: [np.asarray(scene.render())] for scene in SCENES}
    paths = [path for folder in options.folders for path in sorted(folder.rglob("*.jpg"))]
    print("| instruction set | images | without, ms | with, ms | median of ratios |\n|---|---|---:|---:|---:|")
    for isa in options.isa:
        pair = detectors(isa, options.filter)
        rows = {name: measure(pair, images, options.rounds) for name, images in scenes.items()}
        if paths:
            rows[f"{len(paths)} photographs"] = measure(pair, map(load_image, paths), 1)
        for name, times in rows.items():
            without, with_ = 1e3 * np.median(times, axis=0)
            ratio = np.median(times[:, 0] / times[:, 1])
            print(f"| {isa} | {name} | {without:.2f} | {with_:.2f} | {ratio:.2f}x |", flush=True)


if __name__ == "__main__":
    main()
