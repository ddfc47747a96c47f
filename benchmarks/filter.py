#!/usr/bin/env python3
"""Time detections with filters and without, in turns, for each instruction set, and print tables.

    python benchmarks/filter.py [FOLDER ...] [--rounds 15] [--every 1] [--isa avx2] [--filter int8 amx] [--stages]

Images: one face and 54 in 640x480 and 1920x1080, six in 640x480, and the photographs of the folders. One thread; times
are the processor's, which other work on the machine stretches least. A ratio is that of two detections in the same
turn. With ``--stages`` a second table says what each network takes of the photographs, by the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scenes import Scene

from mtcnn_fast import Detector
from mtcnn_fast._native import native_isas
from mtcnn_fast._types import Image
from mtcnn_fast.config import FILTERS, Filter
from mtcnn_fast.faces.trace import STAGES
from mtcnn_fast.images import load_image

SCENES = (Scene(1, 640, 480), Scene(6, 640, 480), Scene(54, 640, 480), Scene(1, 1920, 1080), Scene(54, 1920, 1080))


def detectors(isa: str, filters: Sequence[Filter]) -> list[Detector]:
    """Return a detector without a filter and one with each."""
    os.environ["MTCNN_FAST_ISA"] = isa
    return [Detector("cpu", num_threads=1, filter=name) for name in (None, *filters)]


def measure(contenders: list[Detector], images: Iterable[Image], rounds: int) -> np.ndarray:
    """Return seconds ``(images * rounds, contenders)``, after a turn on the first image that doesn't count."""
    times = []
    for number, image in enumerate(images):
        for turn in range(rounds + (number == 0)):
            row = []
            for detector in contenders:
                started = time.thread_time()
                detector.detect(image)
                row.append(time.thread_time() - started)
            if number or turn:
                times.append(row)
    return np.array(times)


def measure_stages(contenders: list[Detector], images: Iterable[Image]) -> np.ndarray:
    """Return seconds of each stage ``(images, contenders, stages)``."""
    times = []
    for image in images:
        found = [detector.detect(image, profile=True).timings or {} for detector in contenders]
        times.append([[timings[stage] for stage in STAGES] for timings in found])
    return np.array(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--every", type=int, default=1, help="take one photograph of so many")
    parser.add_argument("--isa", nargs="+", default=native_isas(), help="instruction sets; all unless given")
    parser.add_argument("--filter", nargs="+", choices=FILTERS, default=["int8"])
    parser.add_argument("--stages", action="store_true", help="also print the time of each network")
    options = parser.parse_args()
    scenes = {scene.name: [np.asarray(scene.render())] for scene in SCENES}
    paths = [path for folder in options.folders for path in sorted(folder.rglob("*.jpg"))][:: options.every]
    columns = [f"{name}, ms | median of ratios" for name in options.filter]
    stages: list[str] = []
    print(f"| instruction set | images | without, ms | {' | '.join(columns)} |")
    print(f"|---|---|{'---:|' * (1 + 2 * len(columns))}")
    for isa in options.isa:
        contenders = detectors(isa, options.filter)
        rows = {name: measure(contenders, images, options.rounds) for name, images in scenes.items()}
        if paths:
            name = f"{len(paths)} photographs"
            rows[name] = measure(contenders, map(load_image, paths), 1)
            if options.stages:
                means = 1e3 * measure_stages(contenders, map(load_image, paths)).mean(axis=0)
                for filter_, each in zip((None, *options.filter), means, strict=True):
                    cells = " | ".join(f"{value:.2f}" for value in each)
                    stages.append(f"| {isa} | {name} | {filter_ or 'without'} | {cells} |")
        for name, times in rows.items():
            without, *others = 1e3 * np.median(times, axis=0)
            ratios = np.median(times[:, :1] / times[:, 1:], axis=0)
            cells = " | ".join(f"{ms:.2f} | {ratio:.2f}x" for ms, ratio in zip(others, ratios, strict=True))
            print(f"| {isa} | {name} | {without:.2f} | {cells} |", flush=True)
    if stages:
        print(f"\n| instruction set | images | filter | {' | '.join(f'{stage}, ms' for stage in STAGES)} |")
        print(f"|---|---|---|{'---:|' * len(STAGES)}")
        print("\n".join(stages))


if __name__ == "__main__":
    main()
