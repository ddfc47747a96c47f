#!/usr/bin/env python3
"""Time detections on photographs beside facenet-pytorch, image by image in turns, and print a table.

python benchmarks/photographs.py FOLDER [--threads 1 2] [--every 4] [--rounds 3] [--filter int8]

Both get the same decoded image, the same settings (border clip, as facenet-pytorch has it) and the same number of
threads. An image's time is the least of the rounds, which other work on the machine disturbs least. Decoding is not
timed.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtcnn_fast import Detector
from mtcnn_fast.config import FILTERS, Filter
from mtcnn_fast.images import load_image

#: Other work on the machine stretches the time on the wall, and much less the time that the processor spends.
CLOCKS = {"processor": time.process_time, "wall": time.perf_counter}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filter", choices=FILTERS)
    arguments = parser.parse_args()
    images = [load_image(path) for path in sorted(arguments.folder.rglob("*.jpg"))[:: arguments.every]]
    height = round(statistics.mean(image.shape[0] for image in images))
    print("| photographs | threads | | mtcnn-fast | facenet-pytorch | faster |\n|---|---:|---|---:|---:|---:|")
    for threads in arguments.threads:
        times = measure(images, threads, arguments.rounds, arguments.filter)
        for column, clock in enumerate(CLOCKS):
            ours, theirs = times[:, 0, column], times[:, 1, column]
            print(
                f"| {len(images)}, {images[0].shape[1]} wide, {height} high on average | {threads} | {clock} "
                f"| {1e3 * ours.mean():.1f} ms | {1e3 * theirs.mean():.0f} ms | **{np.median(theirs / ours):.1f}x** |",
                flush=True,
            )
    print(f"\nMeans of an image, and the median of the ratios; min_face_size 20, border clip. {datetime.date.today()}")


def measure(images: list[np.ndarray], threads: int, rounds: int, filter_: Filter | None) -> np.ndarray:
    """Return the least seconds of each image, package and clock, ``(N, 2, 2)``."""
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(threads)
    reference = MTCNN(keep_all=True, device="cpu")
    with Detector("cpu", border="clip", num_threads=threads, filter=filter_) as detector:
        calls: list[Callable[[np.ndarray], object]] = [
            detector.detect,
            lambda image: reference.detect(image, landmarks=True),
        ]
        for call in calls:
            call(images[0])
        return np.array(
            [[np.min([once(call, image) for _ in range(rounds)], axis=0) for call in calls] for image in images]
        )


def once(call: Callable[[np.ndarray], object], image: np.ndarray) -> tuple[float, ...]:
    starts = [clock() for clock in CLOCKS.values()]
    call(image)
    return tuple(clock() - start for clock, start in zip(CLOCKS.values(), starts, strict=True))


if __name__ == "__main__":
    main()
