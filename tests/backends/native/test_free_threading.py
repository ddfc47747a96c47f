"""Many threads of the caller's at once. On a free-threaded Python they truly run side by side, elsewhere by turns."""

from __future__ import annotations

import random
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mtcnn_fast import Detector, ops

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
THREADS, ROUNDS = 8, 6


def in_threads(work: Callable[[int], None]) -> None:
    """Run work(number) on all threads at the same moment; raise what one of them raised."""
    start = threading.Barrier(THREADS)
    raised: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def test_threads_share_a_detector_and_make_their_own(mixed: list[np.ndarray]) -> None:
    images = mixed[:6]
    shared = Detector("cpu", num_threads=2)
    expected = shared.detect_batch(images)

    def work(number: int) -> None:
        order = list(range(len(images)))
        for turn in range(ROUNDS):
            random.Random(number * ROUNDS + turn).shuffle(order)
            with Detector("cpu", num_threads=1 + number % 3) as own:
                for detector in (shared, own):
                    assert detector.detect_batch([images[i] for i in order]) == [expected[i] for i in order]

    in_threads(work)


def test_threads_share_the_operations(photo: np.ndarray) -> None:
    random_numbers = np.random.default_rng(3)
    corners = random_numbers.uniform(0, 400, (300, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + random_numbers.uniform(5, 99, (300, 2)).astype(np.float32)], axis=1)
    scores = random_numbers.random(300, dtype=np.float32)
    segments = random_numbers.integers(0, 3, 300)

    def everything() -> list[Any]:
        levels = ops.resize_pyramid(photo, [0.5, 0.3])
        crops, valid = ops.crop_pad_resize(photo, boxes[:40], 24)
        return [*levels, crops, valid, ops.batched_nms(boxes, scores, segments, 0.5)]

    expected = everything()

    def work(number: int) -> None:
        for _ in range(ROUNDS):
            for got, wanted in zip(everything(), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)

    in_threads(work)


@pytest.mark.skipif(not FREE_THREADED, reason="this Python is not free-threaded")
def test_the_module_leaves_the_gil_off() -> None:
    program = "import sys, mtcnn_fast._cpu; print(sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
