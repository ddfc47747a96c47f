#!/usr/bin/env python3
"""Watch the memory of a long run of detections, and the peak of a single one.

    python scripts/soak.py                           10 000 detections, sides of 20 to 160 pixels
    python scripts/soak.py -n 2000 --largest 700     2 000 larger images
    python scripts/soak.py --peak                    highest memory at 640x480 and at 10000x10000
    python scripts/soak.py --mixed 3600              an hour of threads, forks, spawned processes, sizes and settings

A run goes round and round through images of random sizes: buffers grow until they have met the most demanding of them,
and only a leak grows on. It prints the slope of the resident memory in bytes a detection (least squares, over the
second half), its standard error, and the peak above the baseline. The standard error allows for memory that moves in
steps: it is taken over the means of twenty equal parts. With ``--most``, the exit status is 1 if the slope is surely
above that: by three standard errors.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1e6
#: Images of a run, made before it so that only detections take and free memory; at least ten rounds.
IMAGES = 200
#: Sizes whose peak is measured, height by width, and the most that is allowed above interpreter, numpy and image.
PEAKS = {"480x640": 60, "10000x10000": 250}


def resident() -> int:
    """Return the bytes that this process has in memory; pathlib would itself take some more each time."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 200).split()[1]) * PAGE
    finally:
        os.close(file)


def fit(values: np.ndarray, parts: int = 20) -> tuple[float, float]:
    """Return the slope per value, and its standard error from the means of `parts` equal parts of the run."""
    size = len(values) // parts
    y = values[: size * parts].reshape(parts, size).mean(axis=1)
    x = (np.arange(parts) - (parts - 1) / 2) * size
    slope = float(x @ y / (x @ x))
    left = y - y.mean() - slope * x
    return slope, math.sqrt(float(left @ left) / (parts - 2) / float(x @ x))


def image(generator: np.random.Generator, photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the photo tiled over an image, from a random place on, so that there are faces in it or not."""
    rows = (np.arange(height) + generator.integers(photo.shape[0])) % photo.shape[0]
    columns = (np.arange(width) + generator.integers(photo.shape[1])) % photo.shape[1]
    return np.ascontiguousarray(photo[rows][:, columns])


def read_photo(path: str, scale: int) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB").resize((photo.width // scale, photo.height // scale)))


def soak(options: argparse.Namespace) -> int:
    from mtcnn_fast import Detector

    generator = np.random.default_rng(options.seed)
    photo = read_photo(options.photo, 4)
    # The largest size comes first.
    sides = generator.integers(options.smallest, options.largest + 1, (min(IMAGES, options.detections // 10), 2))
    images = [image(generator, photo, *size) for size in [(options.largest,) * 2, *sides.tolist()]]
    detector = Detector(device=options.device, num_threads=options.threads)
    samples = np.ones(options.detections)  # in memory from the start
    warmup = options.detections // 2
    faces = len(detector.detect(images[0]))
    baseline = resident()
    for i in range(options.detections):
        faces += len(detector.detect(images[i % len(images)]))
        samples[i] = resident()
    slope, error = fit(samples[warmup:])
    print(
        f"{options.detections} detections, {faces} faces: slope {slope:.1f} ± {error:.1f} bytes a detection,"
        f" peak {(samples.max() - baseline) / MB:.2f} MB above the baseline of {baseline / MB:.1f} MB"
    )
    return int(options.most is not None and slope - 3 * error > options.most)


def peak(options: argparse.Namespace) -> int:
    """Measure each size in a process of its own, since the system keeps only the highest mark."""
    status = 0
    for size, most in PEAKS.items():
        command = [sys.executable, __file__, "--peak-of", size, "--device", options.device, "--photo", options.photo]
        if options.threads is not None:
            command += ["--threads", str(options.threads)]
        used = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        print(f"{size}: {used:.1f} MB above interpreter, numpy and image (at most {most})")
        status |= used > most
    return status


def peak_of(options: argparse.Namespace) -> int:
    """Print how many megabytes the peak lies above interpreter, numpy and image."""
    height, width = map(int, options.peak_of.split("x"))
    pixels = np.empty((height, width, 3), np.uint8)
    photo = read_photo(options.photo, 1)
    for row in range(height):
        pixels[row] = np.take(photo[row % len(photo)], np.arange(width), axis=0, mode="wrap")
    gc.collect()
    before = resident()
    from mtcnn_fast import Detector

    detector = Detector(device=options.device, num_threads=options.threads)
    faces = detector.detect(pixels)
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{len(faces)} faces", file=sys.stderr)
    print((highest - before) / MB)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", "--detections", type=int, default=10_000)
    parser.add_argument("--smallest", type=int, default=20, help="shortest side of an image, in pixels")
    parser.add_argument("--largest", type=int, default=160, help="longest side")
    parser.add_argument("--most", type=float, help="largest slope that is accepted, in bytes a detection")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photo", default=str(Path(__file__).resolve().parents[1] / "examples" / "astronaut.jpg"))
    parser.add_argument("--mixed", type=float, metavar="SECONDS", help="everything at once for a time")
    parser.add_argument("--peak", action="store_true", help="measure the peak of single detections instead")
    parser.add_argument("--peak-of", metavar="HxW", help="that of one size, as a number")
    options = parser.parse_args()
    if options.mixed is not None:
        from soak_mixed import mixed

        return mixed(options.mixed, options.seed, options.photo, options.device, resident, fit)
    return peak_of(options) if options.peak_of else peak(options) if options.peak else soak(options)


if __name__ == "__main__":
    sys.exit(main())
