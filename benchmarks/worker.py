"""One contender in a process of its own: a request a line on standard input, an answer a line on standard output.

    python benchmarks/worker.py

A request names a ``task``, one of the functions in `TASKS`, and its arguments. Whatever a task prepares (a detector,
an image, a compiled network) is kept for the next turn. The first turn of a case runs once without being timed, and so
does every turn of a fast one, whose caches others have emptied meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import metadata

import contenders
import engines
import numpy as np

FAST = 0.1  # seconds; slower work does not notice the caches
warmed: dict[str, float] = {}


def timed(case: str, call: Callable[[], object], count: int, budget: float) -> list[float]:
    """Run `call` up to `count` times, at least once and no longer than `budget` seconds, and return the times."""
    if warmed.get(case, 0.0) < FAST:
        start = time.perf_counter()
        call()
        warmed[case] = time.perf_counter() - start
    times: list[float] = []
    while not times or (len(times) < count and sum(times) < budget):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


@functools.cache
def image(path: str) -> np.ndarray:
    return np.load(path)


@functools.cache
def detector(name: str, threads: int, min_face_size: float):
    return contenders.MAKERS[name](threads, min_face_size)


def detect(case, name, files, threads, min_face_size, count, budget):
    """Time a decoded image."""
    run = detector(name, threads, min_face_size)
    pixels = image(files["npy"])
    return {"seconds": timed(case, lambda: run(pixels), count, budget)}


def faces(case, name, files, threads, min_face_size):
    """Return what is found."""
    found = detector(name, threads, min_face_size)(image(files["npy"]))
    return dict(zip(("boxes", "scores", "landmarks"), (np.asarray(part).tolist() for part in found), strict=True))


def path(case, name, files, threads, min_face_size, count, budget):
    """Time a JPEG file: decoding and detection."""
    run = detector(name, threads, min_face_size)
    if name.startswith(contenders.OURS):
        return {"seconds": timed(case, lambda: run.detector.detect(files["jpg"]), count, budget)}
    from PIL import Image

    return {"seconds": timed(case, lambda: run(np.asarray(Image.open(files["jpg"]).convert("RGB"))), count, budget)}


def decode(case, name, files, count, budget):
    """Time the decoding alone, as our detector does it."""
    from mtcnn_fast.images import load_image

    return {"seconds": timed(case, lambda: load_image(files["jpg"]), count, budget)}


def batch(case, name, files, threads, min_face_size, images, count, budget):
    """Time our detector on a batch of copies of a decoded image."""
    run = detector(name, threads, min_face_size)
    batch = [image(files["npy"])] * images
    return {"seconds": timed(case, lambda: run.detector.detect_batch(batch, batch_size=images), count, budget)}


def profile(case, name, files, threads, min_face_size, count, budget):
    """Return the stages' times of each run, and how many crops R-Net and O-Net see."""
    run = detector(name, threads, min_face_size)
    pixels = image(files["npy"])
    left = {step.step: len(step.boxes) for step in run.detector.detect(pixels, trace=True).trace}
    stages: list[dict[str, float]] = []
    seconds = timed(case, lambda: stages.append(run.detector.detect(pixels, profile=True).timings), count, budget)
    crops = {"rnet": left["proposals"], "onet": left["refinement"], "faces": left["output"]}
    return {"seconds": seconds, "stages": stages[-len(seconds) :], "crops": crops}


def callers(case, name, files, threads, min_face_size, callers, count):
    """Let several threads call one detector `count` times each; return each call's time and the time of all."""
    run = detector(name, threads, min_face_size)
    pixels = image(files["npy"])
    run(pixels)
    times: list[float] = []
    gate = threading.Barrier(callers + 1)

    def call() -> None:
        gate.wait()
        for _ in range(count):
            start = time.perf_counter()
            run(pixels)
            times.append(time.perf_counter() - start)

    pool = [threading.Thread(target=call) for _ in range(callers)]
    for thread in pool:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    for thread in pool:
        thread.join()
    return {"seconds": times, "total": time.perf_counter() - start}


@functools.cache
def network(engine: str, name: str, file: str, threads: int):
    with np.load(file) as arrays:
        inputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
    return engines.make(engine, name, inputs, threads)


def run_network(case, name, network_name, file, threads, count, budget):
    """Time one engine on one network."""
    run = network(name, network_name, file, threads)
    return {"seconds": timed(case, run, count, budget)}


def network_outputs(case, name, network_name, file, threads, result):
    """Write what an engine computes, image by image and output by output."""
    outputs = network(name, network_name, file, threads)()
    np.savez(result, *(array for image in outputs for array in image))
    return {}


def isa(case, name):
    """Return the instruction set of our engine and the version of the package."""
    import mtcnn_fast
    from mtcnn_fast.backends.native import NativeBackend
    from mtcnn_fast.config import DetectorConfig
    from mtcnn_fast.weights import load_weights

    engine = NativeBackend(DetectorConfig(), load_weights(None))
    return {"isa": engine.isa, "version": mtcnn_fast.__version__}


def versions(case, name, distributions):
    """Return the versions of those distributions that are installed."""
    found = {}
    for distribution in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[distribution] = metadata.version(distribution)
    return {"versions": found}


TASKS = {
    task.__name__: task
    for task in (detect, faces, path, decode, batch, profile, callers, run_network, network_outputs, isa, versions)
}


def main() -> int:
    # Libraries may print: only answers go to the pipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = TASKS[request.pop("task")](**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
