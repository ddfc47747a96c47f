"""`adetect` and `adetect_iter`: threads of their own beside an event loop."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mtcnn_fast import BackendError, ConfigError, Detector, Faces, ImageError
from mtcnn_fast.async_detection import WORKERS
from support.portrait import QUICK, portrait


@pytest.fixture
def detector() -> Iterator[Detector]:
    with Detector("numpy", **QUICK) as made:
        yield made


class Held:
    """An image that is not there before it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.free = threading.Event()

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[np.uint8]:
        self.asked.set()
        assert self.free.wait(60)
        return portrait()


async def reached(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.005)


def test_results_are_those_of_detect(detector: Detector) -> None:
    async def run() -> list[Faces]:
        return await asyncio.gather(*(detector.adetect(portrait(), rotations=(0, 180)) for _ in range(6)))

    assert asyncio.run(run()) == [detector.detect(portrait(), rotations=(0, 180))] * 6


def test_errors_are_those_of_detect(detector: Detector) -> None:
    async def run() -> None:
        with pytest.raises(ImageError, match="does not exist"):
            await detector.adetect("nowhere.jpg")
        with pytest.raises(ConfigError, match="max_side"):
            await detector.adetect(portrait(), max_side=1)
        detector.close()
        with pytest.raises(BackendError, match="closed"):
            await detector.adetect(portrait())

    asyncio.run(run())


def test_the_default_threads_of_asyncio_stay_free(detector: Detector) -> None:
    """More detections than threads, and the only default thread still answers; those that wait hold none."""

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        images = [Held() for _ in range(WORKERS + 3)]
        before = set(threading.enumerate())  # some of which may be those of other tests, about to end
        tasks = [asyncio.ensure_future(detector.adetect(image)) for image in images]
        for image in images[:WORKERS]:
            await reached(image.asked)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 5), 60) == 5
        names = [thread.name for thread in set(threading.enumerate()) - before]
        assert sum(name.startswith("mtcnn-fast-async") for name in names) == WORKERS
        assert not any(image.asked.is_set() for image in images[WORKERS:])
        for image in images:
            image.free.set()
        assert [len(found) for found in await asyncio.gather(*tasks)] == [1] * len(images)

    asyncio.run(run())


def test_cancelling(detector: Detector) -> None:
    async def run() -> None:
        images = [Held() for _ in range(WORKERS + 1)]
        tasks = [asyncio.ensure_future(detector.adetect(image)) for image in images]
        for image in images[:WORKERS]:
            await reached(image.asked)
        # One that waits, and one that runs: both awaits end at once.
        for task in (tasks[-1], tasks[0]):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for image in images:
            image.free.set()
        assert [len(found) for found in await asyncio.gather(*tasks[1:-1])] == [1] * (WORKERS - 1)
        assert len(await detector.adetect(portrait())) == 1
        assert not images[-1].asked.is_set()

    asyncio.run(run())


def test_streams(detector: Detector) -> None:
    async def slow() -> AsyncIterator[Any]:
        for image in (portrait(), None, portrait()):
            await asyncio.sleep(0)
            yield image

    async def run() -> None:
        expected = detector.detect(portrait())
        assert [faces async for faces in detector.adetect_iter([portrait()] * 3, batch_size=2)] == [expected] * 3
        for images in (slow(), [portrait(), None, portrait()]):
            found = [item async for item in detector.adetect_iter(images, on_error="return", batch_size=1)]
            assert found[0] == found[2] == expected
            assert isinstance(found[1], ImageError)
            assert str(found[1]).startswith("images[1]: image is of type NoneType")
        for images in (slow(), [portrait(), None]):
            failing = detector.adetect_iter(images, batch_size=1)
            assert await anext(failing) == expected
            with pytest.raises(ImageError, match=r"^images\[1\]: "):
                await anext(failing)
        for images in (slow(), []):
            with pytest.raises(ConfigError, match="on_error"):
                detector.adetect_iter(images, on_error="skip")  # type: ignore[call-overload]

    asyncio.run(run())


def test_a_stream_that_is_left_is_closed(detector: Detector) -> None:
    closed = threading.Event()

    def images() -> Iterator[npt.NDArray[np.uint8]]:
        try:
            while True:
                yield portrait()
        finally:
            closed.set()

    async def run() -> None:
        stream = detector.adetect_iter(images(), batch_size=1)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(reached(closed), 60)

    asyncio.run(run())


def test_a_copy_has_threads_of_its_own(detector: Detector) -> None:
    async def run(used: Detector) -> Faces:
        return await used.adetect(portrait())

    first = asyncio.run(run(detector))
    with pickle.loads(pickle.dumps(detector)) as again:
        assert asyncio.run(run(again)) == first
        assert again._workers is not detector._workers
