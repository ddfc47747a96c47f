"""Copies of arrays to a device through pinned memory: while one part is on the bus, threads fill the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]

#: Bytes of a part: large enough for the bus's full rate, small enough that the first is on its way at once.
PART = 4 << 20
#: Threads that fill parts. One copies some 8 GB/s, and the buses of data centres move 25 to 60.
_THREADS = 4


class Stager:
    """Uploads to one device, on a stream of its own, so that an upload can run beside another thread's detection.

    Parameters
    ----------
    device : torch.device
        On the CPU, which stands for a device in tests, memory is not pinned and there are no streams.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuda: Any = torch.cuda if device.type == "cuda" else None  # torch gives it no types
        self._lock = threading.Lock()
        self._stream: Any = None
        self._threads: ThreadPoolExecutor | None = None

    def allocate(self, size: int) -> Tensor:
        """Return `size` bytes of device memory, at least 1, for `fill`."""
        if self._cuda is None:
            return torch.empty(max(size, 1), dtype=torch.uint8, device=self._device)
        with self._cuda.stream(self._own_stream()):
            memory = torch.empty(max(size, 1), dtype=torch.uint8, device=self._device)
        # It belongs to the upload's stream, which may use it again only when the current one is done with it.
        memory.record_stream(self._cuda.current_stream(self._device))
        return memory

    def fill(self, memory: Tensor, content: Sequence[Bytes], places: Sequence[int], *, in_use: bool = False) -> None:
        """Copy flat arrays to ascending `places` in memory. The current stream waits for them, the caller does not.

        Parameters
        ----------
        memory : (N,) uint8 Tensor
            What lies between the arrays, to align them, is undefined afterwards.
        content : sequence of 1-D uint8 ndarray
        places : sequence of int
        in_use : bool
            Whether work that is queued on the current stream may read the memory: then the copies wait for it.
        """
        if self._cuda is None:
            self._copy(memory, content, places)
            return
        current, own = self._cuda.current_stream(self._device), self._own_stream()
        if in_use:
            own.wait_stream(current)
        with self._cuda.stream(own):
            self._copy(memory, content, places)
        current.wait_stream(own)

    def _own_stream(self) -> Any:
        with self._lock:
            if self._stream is None:
                self._stream = self._cuda.Stream(self._device)
            return self._stream

    def _copy(self, memory: Tensor, content: Sequence[Bytes], places: Sequence[int]) -> None:
        staging = torch.empty(memory.shape, dtype=torch.uint8, device="cpu", pin_memory=self._cuda is not None)
        host = staging.numpy()
        parts = [
            (array[first : first + PART], place + first)
            for array, place in zip(content, places, strict=True)
            for first in range(0, array.size, PART)
        ]
        # What is small is not worth waking threads for.
        small = sum(part.size for part, _ in parts) <= PART
        filled = [None if small else self._pool().submit(_fill, host, part, place) for part, place in parts]
        for future, (part, place) in zip(filled, parts, strict=True):
            if future is None:
                _fill(host, part, place)
            else:
                future.result()
            if not small:
                self._send(memory, staging, place, place + part.size)
        if small and parts:
            self._send(memory, staging, parts[0][1], parts[-1][1] + parts[-1][0].size)

    @staticmethod
    def _send(memory: Tensor, staging: Tensor, first: int, last: int) -> None:
        # Torch keeps pinned memory from being used again before the copy is over.
        memory[first:last].copy_(staging[first:last], non_blocking=True)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mtcnn-fast-upload")
            return self._threads


def _fill(host: Bytes, part: Bytes, place: int) -> None:
    # numpy gives up the GIL for the copy.
    host[place : place + part.size] = part
