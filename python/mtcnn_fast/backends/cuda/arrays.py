"""What makes arrays on a CUDA device and copies them, for the steps and networks that run there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray
from mtcnn_fast.backends.cascade.steps import DeviceArray

Shape = int | tuple[int, ...]


class Pinned(Protocol):
    """Host memory from which copies to the device need not be waited for."""

    @property
    def host(self) -> npt.NDArray[np.uint8]:
        """The memory, flat."""

    def send(self, first: int, target: DeviceArray) -> None:
        """Queue a copy of what begins at byte `first` to a flat uint8 array."""


class Arrays(Protocol):
    """Memory of one device. All work goes to the stream that this thread works on."""

    def stream(self) -> int:
        """Return the handle of the stream to work on."""

    def empty(self, shape: Shape, dtype: str = "float32") -> DeviceArray:
        """Return an array with any content, aligned as `_cuda.ALIGNMENT` says if it is uint8."""

    def zeros(self, shape: Shape, dtype: str) -> DeviceArray:
        """Return an array of zeros."""

    def view(self, array: DeviceArray | None) -> Any:
        """Return an array as the kernels take it."""

    def put(self, arrays: Sequence[AnyArray]) -> list[DeviceArray]:
        """Copy arrays to the device, without waiting."""

    def share(self, arrays: Sequence[DeviceArray]) -> None:
        """Let work on any stream read arrays that are never written again."""

    def download(self, arrays: Sequence[DeviceArray]) -> list[AnyArray]:
        """Copy arrays to the host, and wait once for all of them."""

    def upload_target(self, size: int) -> DeviceArray:
        """Return `size` bytes, at least 1, to which `uploads` may copy."""

    def pinned(self, size: int) -> Pinned:
        """Return `size` bytes of host memory for copies to the device."""

    def uploads(self, *, in_use: bool) -> contextlib.AbstractContextManager[Any]:
        """Return a block for `Pinned.send`, which the work that follows waits for.

        Parameters
        ----------
        in_use : bool
            Whether work that is queued may use the target: then the copies wait for it.
        """
