"""Memory and streams of the package's own on one CUDA device, where no other library lends them."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray
from mtcnn_fast.backends.cuda.arrays import Shape


class DeviceMemory:
    """Arrays in a pool (`mtcnn_fast._cuda.Pool`), on a stream for each thread that works at once.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    index : int
        The device's number.
    """

    def __init__(self, module: ModuleType, index: int) -> None:
        self._module = module
        self._pool, self._array = module.Pool(index), module.Array
        self._here = threading.local()
        #: Streams that no thread works on. A list's `append` and `pop` need no lock.
        self._idle: list[Any] = []
        self._kept: deque[tuple[Any, Any]] = deque()

    @property
    def reserved(self) -> int:
        """Bytes of device memory that are held, in use or not."""
        return int(self._pool.reserved)

    @contextlib.contextmanager
    def working(self, handle: int | None = None) -> Iterator[None]:
        """Let this thread work on a stream, for the length of a block.

        Parameters
        ----------
        handle : int or None
            Another library's stream. None: one of this memory's own.
        """
        stream = self._module.Stream(self._pool, handle) if handle is not None else self._own_stream()
        self._here.stream = stream
        try:
            yield
        finally:
            del self._here.stream
            if handle is None:
                self._idle.append(stream)

    def _own_stream(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._module.Stream(self._pool)

    def stream(self) -> int:
        """Return the handle of the stream that this thread works on."""
        return int(self._here.stream.handle)

    def synchronize(self) -> None:
        """Wait for the stream that this thread works on."""
        self._here.stream.synchronize()

    def empty(self, shape: Shape, dtype: str = "float32") -> Any:
        """Return an array with any content."""
        return self._array(self._here.stream, shape, dtype)

    def zeros(self, shape: Shape, dtype: str) -> Any:
        """Return an array of zeros."""
        return self._array(self._here.stream, shape, dtype, True)

    @staticmethod
    def view(array: Any) -> Any:
        """Return the array itself: the kernels know it."""
        return array

    def put(self, arrays: Sequence[AnyArray]) -> list[Any]:
        """Copy arrays to the device, without waiting."""
        placed = [self.empty(array.shape, array.dtype.name) for array in arrays]
        for array, target in zip(arrays, placed, strict=True):
            if array.size:
                pinned = self.pinned(array.nbytes)
                pinned.host[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                pinned.send(0, target)
        return placed

    @staticmethod
    def share(arrays: Sequence[Any]) -> None:
        """Wait for arrays that are never written again, so that no stream has to."""
        for array in arrays:
            array.share()

    def download(self, arrays: Sequence[Any]) -> list[AnyArray]:
        """Copy arrays to the host, and wait once for all of them."""
        contents: list[AnyArray] = self._here.stream.download(list(arrays))
        return contents

    def upload_target(self, size: int) -> Any:
        """Return `size` bytes, at least 1."""
        return self.empty(max(size, 1), "uint8")

    def pinned(self, size: int) -> PinnedMemory:
        """Return `size` bytes of pinned memory, at least 1."""
        return PinnedMemory(self._module.PinnedMemory(self._here.stream, max(size, 1)))

    def uploads(self, *, in_use: bool) -> contextlib.AbstractContextManager[None]:
        """Return an empty block: copies are on the stream of the work before and after them."""
        del in_use
        return contextlib.nullcontext()

    def mark(self) -> Any:
        """Return what tells whether the work that this thread has queued is over: ``passed``."""
        return self._module.Mark(self._here.stream)

    def keep(self, *objects: Any) -> None:
        """Hold objects until the work that this thread has queued is over."""
        while self._kept:
            try:
                oldest = self._kept.popleft()
            except IndexError:
                break
            if not oldest[0].passed:
                self._kept.appendleft(oldest)
                break
        self._kept.append((self.mark(), objects))

    def trim(self) -> None:
        """Wait for the device, and give back all memory that is not in use."""
        self._pool.trim()

    def close(self) -> None:
        """Let go of streams and memory; arrays that are still in use keep theirs."""
        self._idle.clear()
        self.trim()
        self._kept.clear()


class PinnedMemory:
    """Pinned host memory.

    Parameters
    ----------
    memory : _cuda.PinnedMemory
    """

    __slots__ = ("_memory", "host")

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.host: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8)

    def send(self, first: int, target: Any) -> None:
        """Queue a copy of what begins at byte `first` to an array."""
        self._memory.send(first, target)
