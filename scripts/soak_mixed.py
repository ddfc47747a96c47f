"""Hours of threads, forks, spawned processes, random sizes and random settings; see ``soak.py --mixed``.

Results that were computed before everything else began must come back to the bit, in whatever thread or process.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import dataclasses
import hashlib
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

Sample = Callable[[], int]
Fit = Callable[[np.ndarray], tuple[float, float]]

#: Cases of image and settings whose results are known.
CASES = 40
#: Detections between two samples of the memory.
EVERY = 20


@dataclasses.dataclass(frozen=True)
class Case:
    """An image, settings, and the hash of what they give."""

    image: np.ndarray
    settings: dict[str, Any]
    digest: str = ""


def digest(image: np.ndarray, settings: dict[str, Any]) -> str:
    from mtcnn_fast import Detector

    with Detector(**settings) as detector:
        return digest_of(detector, image)


def digest_of(detector: Any, image: np.ndarray) -> str:
    faces = detector.detect(image)
    found = hashlib.sha256()
    for values in (faces.boxes, faces.scores, faces.landmarks):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def make_cases(rng: np.random.Generator, photo: np.ndarray, device: str) -> list[Case]:
    made = []
    for _ in range(CASES):
        height, width = (int(side) for side in rng.integers(20, 200, 2))
        rows = (np.arange(height) + rng.integers(photo.shape[0])) % photo.shape[0]
        columns = (np.arange(width) + rng.integers(photo.shape[1])) % photo.shape[1]
        settings = {
            "device": device,
            "min_face_size": float(rng.choice([12, 20, 33.3, 60])),
            "factor": float(rng.choice([0.5, 0.709, 0.8])),
            "thresholds": tuple(float(value) for value in rng.uniform(0.2, 0.8, 3)),
            "border": str(rng.choice(["zero", "clip"])),
            "max_faces": [None, 1, 3][int(rng.integers(3))],
            "num_threads": int(rng.integers(1, 4)),
        }
        image = np.ascontiguousarray(photo[rows][:, columns])
        made.append(Case(image, settings, digest(image, settings)))
    return made


def in_a_fork(case: Case) -> bool:
    """Detect in a forked child, which ends without cleaning up, as forked servers do."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(digest(case.image, case.settings) != case.digest)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def in_threads(case: Case) -> bool:
    """Share a detector among four threads."""
    from mtcnn_fast import Detector

    with Detector(**case.settings) as detector, concurrent.futures.ThreadPoolExecutor(4) as pool:
        return all(found == case.digest for found in pool.map(lambda _: digest_of(detector, case.image), range(8)))


def trim() -> None:
    """Let glibc return what is free: heaps of many threads keep pages that nothing uses, which looks like a slope."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def mixed(seconds: float, seed: int, photo_path: str, device: str, resident: Sample, fit: Fit) -> int:
    """Run for a time, print the figures, and return 1 where a result differs, a process dies or the memory grows."""
    from soak import read_photo

    rng = np.random.default_rng(seed)
    cases = make_cases(rng, read_photo(photo_path, 4), device)
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    samples: list[int] = []
    begin = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as spawned:
        while time.monotonic() - begin < seconds:
            case = cases[int(rng.integers(CASES))]
            kind = str(rng.choice(["new", "threads", "fork", "spawn"], p=[0.7, 0.1, 0.1, 0.1]))
            if kind == "new":
                right = digest(case.image, case.settings) == case.digest
            elif kind == "threads":
                right = in_threads(case)
            elif kind == "fork":
                right = in_a_fork(case)
            else:
                right = spawned.submit(digest, case.image, case.settings).result() == case.digest
            counts[kind] += 1
            wrong[kind] += not right
            if sum(counts.values()) % EVERY == 0:
                trim()
                samples.append(resident())
    half = np.array(samples[len(samples) // 2 :], float)
    slope, error = fit(half) if len(half) >= 40 else (0.0, float("inf"))
    print(
        f"{sum(counts.values())} rounds in {time.monotonic() - begin:.0f} s ({dict(counts)}), "
        f"{sum(wrong.values())} wrong results; memory {samples[0] / 1e6 if samples else 0:.1f} MB, at the end "
        f"{resident() / 1e6:.1f} MB, slope {slope / EVERY:.1f} ± {error / EVERY:.1f} bytes a round, "
        f"{threading.active_count()} threads"
    )
    return int(sum(wrong.values()) > 0 or slope - 3 * error > 0)
