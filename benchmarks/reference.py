#!/usr/bin/env python3
"""Time a backend against facenet-pytorch on the CPU, in turns, and print medians and their ratio.

    python benchmarks/reference.py [--device numpy] [--threads 2] [--rounds 30] [--peer-python PYTHON] [IMAGE]

Each runs in a process of its own that waits for its turn, so that neither disturbs the other's threads and a busy
machine slows both alike. The image (default: the astronaut) is decoded once and resized before it is timed.
facenet-pytorch may be installed in another environment: name its Python with ``--peer-python``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PEER = "facenet-pytorch"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", default=str(ROOT / "examples" / "astronaut.jpg"))
    parser.add_argument("--device", default="numpy")
    parser.add_argument("--size", default="640x480", help="width x height that the image is resized to")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options)

    pythons = {options.device: sys.executable, PEER: options.peer_python}
    workers = {name: start(name, python, options) for name, python in pythons.items()}
    results: dict[str, list[dict]] = {name: [] for name in workers}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            results[name].append(turn(worker))
    for worker in workers.values():
        worker.communicate()

    print(f"{Path(options.image).name} at {options.size}, {options.threads} threads, {options.rounds} rounds in turns")
    for name, turns in results.items():
        wall, cpu = ([1e3 * turn[clock] for turn in turns] for clock in ("wall", "cpu"))
        deciles = statistics.quantiles(wall, n=10)
        print(
            f"{name:16}{statistics.median(wall):8.1f} ms median ({deciles[0]:.1f} to {deciles[-1]:.1f} for 80 %),"
            f" {statistics.median(cpu):.1f} ms of CPU, {turns[-1]['faces']} faces"
        )
    for clock in ("wall", "cpu"):
        ratios = [ours[clock] / theirs[clock] for ours, theirs in zip(*results.values(), strict=True)]
        print(f"{options.device} / {PEER}, {clock}: {statistics.median(ratios):.2f} (median over the rounds)")
    return 0


def start(name: str, python: str, options: argparse.Namespace) -> subprocess.Popen:
    """Start a worker and wait until it has warmed up."""
    threads = str(options.threads)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    environment["PYTHONPATH"] = str(ROOT / "python")
    command = [python, __file__, options.image, "--worker", name, "--size", options.size, "--threads", threads]
    worker = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(3):
        turn(worker)
    return worker


def turn(worker: subprocess.Popen) -> dict:
    """Let a worker detect once and return what it measured."""
    worker.stdin.write("go\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"{' '.join(worker.args)} failed")
    return json.loads(line)


def work(options: argparse.Namespace) -> int:
    """Detect once for each line of standard input."""
    size = tuple(int(side) for side in options.size.split("x"))
    image = Image.open(options.image).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    detect = make_peer(options.threads) if options.worker == PEER else make_ours(options.worker, options.threads)
    image = image if options.worker == PEER else np.asarray(image)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        faces = detect(image)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "faces": faces}), flush=True)
    return 0


def make_ours(device: str, threads: int) -> Callable[[np.ndarray], int]:
    from mtcnn_fast import Detector

    detector = Detector(device, num_threads=threads)
    return lambda image: len(detector.detect(image))


def make_peer(threads: int) -> Callable[[Image.Image], int]:
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(threads)
    detector = MTCNN(keep_all=True, device="cpu")

    def detect(image: Image.Image) -> int:
        boxes, _, _ = detector.detect(image, landmarks=True)
        return 0 if boxes is None else len(boxes)

    return detect


if __name__ == "__main__":
    sys.exit(main())
