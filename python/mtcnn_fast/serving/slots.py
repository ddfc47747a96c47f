"""Slots: as many images at once as there are processors, and a queue that ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mtcnn_fast.serving.problems import ClientGoneError, busy

T = TypeVar("T")

#: Weight of the latest job in the mean that `Retry-After` is made of.
_WEIGHT = 0.1


class Slots:
    """Runs jobs on a fixed number of threads, for a bounded number of requests.

    Used from one event loop; only the jobs run on other threads.

    Parameters
    ----------
    count : int
        Jobs that run at once.
    queue : int
        Requests that wait beyond them.
    timeout : float
        Seconds that a job waits at most.
    """

    def __init__(self, count: int, queue: int, timeout: float) -> None:
        self.count = count
        self.places = count + queue
        self.taken = 0
        self.jobs = 0
        self._timeout = timeout
        self._mean = 0.1
        self.start()

    def start(self) -> None:
        """Take jobs, as from the beginning; after `close` too."""
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="mtcnn-fast-slot")

    @property
    def running(self) -> int:
        """Jobs that run now."""
        return min(self.jobs, self.count)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a slot."""
        return self.jobs - self.running

    def check_free(self) -> None:
        """Refuse a request if every place is taken.

        Raises
        ------
        ProblemError
            503, with the seconds after which to try again.
        """
        if self.taken >= self.places:
            seconds = max(1, min(60, math.ceil(self.taken * self._mean / self.count)))
            raise busy(f"All {self.places} places are taken; try again in {seconds} s.", seconds)

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Take a place for the length of a block; errors as for `check_free`."""
        self.check_free()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, job: Callable[[float], T], receive: Callable[[], Awaitable[Any]]) -> T:
        """Run a job in a slot.

        Parameters
        ----------
        job : callable
            Called on a thread with the seconds that it waited.
        receive : callable
            Gives the next message of the client, whose body has been read: the only one that is left is that it has
            gone. A job that has not begun then is dropped.

        Raises
        ------
        ProblemError
            503, if no slot came free in time.
        ClientGoneError
            If the client has gone.
        """
        queued = time.perf_counter()

        def timed() -> tuple[T, float]:
            start = time.perf_counter()
            return job(start - queued), time.perf_counter() - start

        self.jobs += 1
        future = self._threads.submit(timed)
        result = asyncio.wrap_future(future)
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait((result, gone), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if not result.done() and not gone.done():
                if future.cancel():
                    raise busy(f"No slot came free in {self._timeout:g} s.", 5)
                await asyncio.wait((result, gone), return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                raise ClientGoneError
            value, seconds = result.result()
        finally:
            gone.cancel()
            # A job that has not begun is dropped now: from `result` it would be a turn of the loop later.
            # Of one that runs already, nobody asks for the outcome.
            future.cancel()
            result.cancel()
            self.jobs -= 1
        self._mean += _WEIGHT * (seconds - self._mean)
        return value

    def close(self) -> None:
        """End the threads when their jobs are done; jobs that have not begun are dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)


async def _disconnect(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
