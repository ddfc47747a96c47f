"""The engine in the life of a process: forks, spawned workers, threads of the caller's, Ctrl-C, processors allowed.

Each runs in an interpreter of its own, whose threads can be counted and which may be killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ImageError
from support.data import PHOTO
from support.variants import ISAS

BEGIN = """
import os, sys, time
import numpy as np
from PIL import Image
from mtcnn_fast import Detector

photo = np.asarray(Image.open(sys.argv[1]).convert("RGB").resize((256, 256)))

def threads():
    return len(os.listdir("/proc/self/task"))
"""
TIMEOUT = 300


def command(tmp_path, body: str) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(BEGIN + textwrap.dedent(body))
    return [sys.executable, "-W", "ignore::DeprecationWarning", str(script), str(PHOTO)]


def run(tmp_path, body: str) -> list[str]:
    """Run a program in an interpreter of its own; return the words that it prints."""
    done = subprocess.run(command(tmp_path, body), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_one_thread_starts_none(tmp_path):
    words = run(
        tmp_path,
        """
        detector = Detector(device="cpu", num_threads=1)
        before = threads()
        assert len(detector.detect_batch([photo] * 3)[0]) == 1
        print(before, threads())
        """,
    )
    assert words[0] == words[1]


def test_threads_are_started_once(tmp_path):
    words = run(
        tmp_path,
        """
        before = threads()
        counts = []
        for count in (3, 2, 3):
            detector = Detector(device="cpu", num_threads=count)
            for _ in range(5):
                assert len(detector.detect_batch([photo] * 3)[0]) == 1
            counts.append(threads() - before)
        print(*counts)
        """,
    )
    assert words == ["2", "2", "2"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_one_allowed_processor_means_one_thread(tmp_path):
    words = run(
        tmp_path,
        """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        detector = Detector(device="cpu")
        before = threads()
        assert len(detector.detect_batch([photo] * 3)[0]) == 1
        print(threads() - before)
        """,
    )
    assert words == ["0"]


def test_a_forked_child_detects(tmp_path):
    """A child has none of the parent's threads; its own child neither."""
    words = run(
        tmp_path,
        """
        detector = Detector(device="cpu", num_threads=3)
        expected = detector.detect_batch([photo] * 3)

        def in_child(depth):
            child = os.fork()
            if child == 0:
                same = threads() == 1 and detector.detect_batch([photo] * 3) == expected
                same = same and threads() == 3 and (depth == 0 or in_child(depth - 1))
                os._exit(0 if same else 1)
            return os.waitpid(child, 0)[1] == 0

        print(in_child(1), detector.detect_batch([photo] * 3) == expected)
        """,
    )
    assert words == ["True", "True"]


def test_a_child_forked_while_other_threads_detect(tmp_path):
    words = run(
        tmp_path,
        """
        import threading
        detector = Detector(device="cpu", num_threads=3)
        expected = detector.detect(photo)
        stop = threading.Event()

        def work():
            while not stop.is_set():
                assert detector.detect(photo) == expected

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        good = 0
        for _ in range(5):
            child = os.fork()
            if child == 0:
                fresh = Detector(device="cpu", num_threads=2)
                os._exit(0 if detector.detect(photo) == fresh.detect(photo) == expected else 1)
            good += os.waitpid(child, 0)[1] == 0
        stop.set()
        for worker in workers:
            worker.join()
        print(good)
        """,
    )
    assert words == ["5"]


def test_spawned_workers_detect(tmp_path):
    words = run(
        tmp_path,
        """
        import multiprocessing

        def detect(_):
            return Detector(device="cpu", num_threads=2).detect(photo)

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                found = pool.map(detect, range(4))
            print(*(faces == detect(0) and len(faces) == 1 for faces in found))
        """,
    )
    assert words == ["True"] * 4


def test_many_threads_with_detectors_of_their_own(tmp_path):
    """Callers with any instruction set and number of threads; they share no more workers than the most asked for."""
    words = run(
        tmp_path,
        f"""
        from concurrent.futures import ThreadPoolExecutor
        isas = {ISAS!r}
        images = [photo, photo[:200, 30:].copy(), photo[::-1].copy()]
        detectors = []
        for isa in isas:
            os.environ["MTCNN_FAST_ISA"] = isa
            for count in (1, 2, 3):
                detectors.append(Detector(device="cpu", num_threads=count))
                detectors[-1].warmup()
        expected = [detectors[3 * i].detect_batch(images) for i in range(len(isas))]
        before = threads()
        with ThreadPoolExecutor(6) as pool:
            jobs = list(range(len(detectors))) * 8
            found = list(pool.map(lambda i: detectors[i].detect_batch(images), jobs))
            most = threads() - before
        print(all(faces == expected[i // 3] for i, faces in zip(jobs, found)), most <= 6)
        """,
    )
    assert words == ["True", "True"]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_batch(tmp_path, record_property, threads):
    """The batch would compute for a minute; the interrupt is polled for every 100 ms and at the end of a task."""
    body = f"""
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    detector = Detector(device="cpu", num_threads={threads})
    detector.warmup()
    start = time.process_time()
    detector.detect_batch([photo] * 16, batch_size=16)
    count = int(16 * 60 / (time.process_time() - start))
    print("ready", flush=True)
    try:
        detector.detect_batch([photo] * count, batch_size=count)
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
        print(len(detector.detect(photo)))
    """
    with subprocess.Popen(command(tmp_path, body), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            words = process.communicate(timeout=TIMEOUT)[0].split()
        finally:
            process.kill()
    assert process.returncode == 0
    assert len(words) == 2, "the batch ended before the interrupt was seen"
    assert words[1] == "1"
    delay = float(words[0]) - sent
    record_property("seconds until KeyboardInterrupt", delay)
    print(f"KeyboardInterrupt after {1000 * delay:.0f} ms")
    assert 0 < delay < 20


def test_images_are_refused_unless_plain(isa):
    """The module itself checks everything that memory accesses depend on."""
    from support.variants import engine

    detect = engine(isa)._engine.detect
    image = np.zeros((40, 60, 3), np.uint8)
    for bad in (image[:, ::2], image[::-1], image[..., ::-1], image.transpose(1, 0, 2)):
        with pytest.raises(ValueError, match="not C-contiguous"):
            detect([image, bad], 1, False, False)
    for bad, message in [
        (image.astype(np.float32), "float32"),
        (image[..., :2].copy(), r"\(40, 60, 2\)"),
        (image[..., 0].copy(), r"\(40, 60\)"),
        (image[:0], r"\(0, 60, 3\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            detect([bad], 1, False, False)
    assert detect([], 2, False, False) == []


@pytest.mark.parametrize("shape", [(1, 180_000_000, 3), (180_000_000, 1, 3), (2**24 + 1, 1, 3), (1, 2**24 + 1, 3)])
@pytest.mark.parametrize("min_face_size", [1, 20])
def test_a_side_beyond_whole_float32_numbers_is_refused(shape, min_face_size):
    """Tall or wide, whether or not a level would fit."""
    from support.variants import engine

    backend = engine(ISAS[0], DetectorConfig(min_face_size=min_face_size))
    with pytest.raises(ImageError, match=rf"at most 16777216 pixels a side, got \({shape[0]}, {shape[1]}, 3\) uint8"):
        backend.detect([np.zeros(shape, np.uint8)])


@pytest.mark.parametrize("shape", [(1, 2**24, 3), (2**24, 1, 3)])
def test_the_longest_side_is_accepted(shape):
    from support.variants import engine

    (faces,) = engine(ISAS[0]).detect([np.zeros(shape, np.uint8)])
    assert len(faces) == 0


@pytest.mark.parametrize("num_threads", [-1, 1025, 10**6, 2**40])
def test_numbers_of_threads_are_limited(num_threads):
    from support.variants import engine

    detect = engine(ISAS[0])._engine.detect
    image = np.zeros((40, 60, 3), np.uint8)
    with pytest.raises(ValueError, match=f"num_threads must be from 0 to 1024, got {num_threads}"):
        detect([image], num_threads, False, False)
    assert len(detect([image], 1024, False, False)) == 1


DAEMON = """
import threading
batch = [photo] * {batch}
detector = Detector(device="cpu", num_threads={threads})
detector.detect_batch(batch)

def work():
    while True:
        {call}

for _ in range({callers}):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
"""
OPERATIONS = {
    "detect": "detector.detect_batch(batch)",
    "resize": "ops.resize_pyramid(photo, [3.0] * {batch}, num_threads={threads})",
    "crop": "ops.crop_pad_resize(photo, np.tile(np.float32([9, 9, 99, 99]), (99 * {batch}, 1)), 48,"
    " num_threads={threads})",
    "nms": "ops.batched_nms(np.random.rand(9999, 4), np.random.rand(9999), np.zeros(9999, int), 0.5)",
}


@pytest.mark.parametrize(("threads", "batch", "callers"), [(1, 64, 1), (2, 64, 1), (1, 1, 1), (2, 4, 3)])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_interpreter_ends_in_the_middle_of_a_daemon_thread(tmp_path, operation, threads, batch, callers):
    """At its next use of the GIL such a thread ends or waits for ever; the process does not abort."""
    call = OPERATIONS[operation].format(threads=threads, batch=batch)
    body = "from mtcnn_fast import ops\n" + DAEMON.format(threads=threads, batch=batch, callers=callers, call=call)
    for _ in range(3):
        run(tmp_path, body)
