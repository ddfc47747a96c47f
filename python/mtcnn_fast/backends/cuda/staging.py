"""Copies of arrays to a device through pinned memory: while one part is on the bus, threads fill the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from mtcnn_fast.backends.cascade.steps import DeviceArray
from mtcnn_fast.backends.cuda.arrays import Arrays, Pinned

Bytes = npt.NDArray[np.uint8]

#: Bytes of a part: large enough for the bus's full rate, small enough that the first is on its way at once.
PART = 4 << 20
#: Threads that fill parts. One copies some 8 GB/s, and the buses of data centres move 25 to 60.
_THREADS = 4


class Stager:
    """Uploads to one device.

    Parameters
    ----------
    arrays : Arrays
        What copies to the device.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def fill(
        self, memory: DeviceArray, content: Sequence[Bytes], places: Sequence[int], *, in_use: bool = False
    ) -> None:
        """Copy flat arrays to ascending `places` in memory. The work that follows waits for them, the caller does not.

        Parameters
        ----------
        memory : (N,) uint8 array on the device
            What lies between the arrays, to align them, is undefined afterwards.
        content : sequence of 1-D uint8 ndarray
        places : sequence of int
        in_use : bool
            Whether work that is queued may read the memory: then the copies wait for it.
        """
        with self._arrays.uploads(in_use=in_use):
            self._copy(memory, content, places)

    def _copy(self, memory: DeviceArray, content: Sequence[Bytes], places: Sequence[int]) -> None:
        staging = self._arrays.pinned(len(memory))
        parts = [
            (array[first : first + PART], place + first)
            for array, place in zip(content, places, strict=True)
            for first in range(0, array.size, PART)
        ]
        # What is small is not worth waking threads for.
        small = sum(part.size for part, _ in parts) <= PART
        filled = [None if small else self._pool().submit(_fill, staging.host, part, place) for part, place in parts]
        for future, (part, place) in zip(filled, parts, strict=True):
            if future is None:
                _fill(staging.host, part, place)
            else:
                future.result()
            if not small:
                self._send(memory, staging, place, place + part.size)
        if small and parts:
            self._send(memory, staging, parts[0][1], parts[-1][1] + parts[-1][0].size)

    @staticmethod
    def _send(memory: DeviceArray, staging: Pinned, first: int, last: int) -> None:
        if last > first:
            staging.send(first, memory[first:last])

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mtcnn-fast-upload")
            return self._threads


def _fill(host: Bytes, part: Bytes, place: int) -> None:
    # numpy gives up the GIL for the copy.
    host[place : place + part.size] = part
