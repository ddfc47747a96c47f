"""Torch's tensors as the arrays of the steps and kernels, in torch's memory and on its current stream."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtcnn_fast._types import AnyArray
from mtcnn_fast.backends.cuda.arrays import Shape

_TYPES = {
    torch.float32: "<f4",
    torch.float16: "<f2",
    torch.int64: "<i8",
    torch.int32: "<i4",
    torch.uint8: "|u1",
    torch.bool: "|b1",
}
_DTYPES = {
    "float32": torch.float32,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


class _View:
    """Memory with ``__cuda_array_interface__``; torch's own property looks up more than is needed."""

    __slots__ = ("__cuda_array_interface__", "_tensor")

    def __init__(self, tensor: Tensor) -> None:
        assert tensor.is_contiguous()
        self._tensor = tensor  # lives until the launch is queued; then the stream's order protects its memory
        self.__cuda_array_interface__: dict[str, Any] = {
            "shape": tuple(tensor.shape),
            "typestr": _TYPES[tensor.dtype],
            "data": (tensor.data_ptr(), False),
            "strides": None,
            "version": 2,
        }


def view(tensor: Tensor | None) -> _View | None:
    """Return a tensor's memory as the kernels take it."""
    return None if tensor is None else _View(tensor)


def workspace(size: int, alignment: int, device: torch.device) -> Tensor:
    """Return `size` bytes of device memory, at least 1, aligned; the tensor owns them."""
    memory = torch.empty(max(size, 1) + alignment, dtype=torch.uint8, device=device)
    start = -memory.data_ptr() % alignment
    return memory[start : start + max(size, 1)]


class TorchArrays:
    """Makes tensors on one device; see `mtcnn_fast.backends.cuda.arrays.Arrays`.

    Parameters
    ----------
    device : torch.device
        On the CPU, which stands for a device in tests, memory is not pinned and there are no streams.
    alignment : int
        ``_cuda.ALIGNMENT``.
    stream : callable
        Returns the handle of the stream to work on.
    """

    def __init__(self, device: torch.device, alignment: int, stream: Callable[[], int]) -> None:
        self._device, self._alignment, self.stream = device, alignment, stream
        self._cuda: Any = torch.cuda if device.type == "cuda" else None  # torch gives it no types
        self._lock = threading.Lock()
        self._upload_stream: Any = None

    @staticmethod
    def view(array: Tensor | None) -> _View | None:
        """Return a tensor as the kernels take it."""
        return view(array)

    def empty(self, shape: Shape, dtype: str = "float32") -> Tensor:
        """Return a tensor with any content."""
        if dtype == "uint8" and isinstance(shape, int):
            return workspace(shape, self._alignment, self._device)
        return torch.empty(shape, dtype=_DTYPES[dtype], device=self._device)

    def zeros(self, shape: Shape, dtype: str) -> Tensor:
        """Return a tensor of zeros."""
        return torch.zeros(shape, dtype=_DTYPES[dtype], device=self._device)

    def put(self, arrays: Sequence[AnyArray]) -> list[Tensor]:
        """Copy arrays to the device."""
        return [torch.from_numpy(array.copy()).to(self._device) for array in arrays]

    def share(self, arrays: Sequence[Tensor]) -> None:
        """Do nothing: callers order torch's streams."""

    def download(self, arrays: Sequence[Tensor]) -> list[AnyArray]:
        """Copy tensors to the host: those of 4 bytes an element by one transfer."""
        if any(array.element_size() != 4 for array in arrays):
            return [array.cpu().numpy() for array in arrays]
        flat = torch.cat([array.reshape(-1).view(torch.float32) for array in arrays]).cpu().numpy()
        split = np.split(flat, np.cumsum([array.numel() for array in arrays])[:-1])
        return [
            content.reshape(tuple(array.shape)).view(np.int32 if array.dtype == torch.int32 else np.float32)
            for content, array in zip(split, arrays, strict=True)
        ]

    def upload_target(self, size: int) -> Tensor:
        """Return `size` bytes, at least 1, which belong to the stream of the uploads."""
        if self._cuda is None:
            return torch.empty(max(size, 1), dtype=torch.uint8, device=self._device)
        with self._cuda.stream(self._own_stream()):
            memory = torch.empty(max(size, 1), dtype=torch.uint8, device=self._device)
        # The upload's stream may use it again only when the current one is done with it.
        memory.record_stream(self._cuda.current_stream(self._device))
        return memory

    def pinned(self, size: int) -> _PinnedTensor:
        """Return `size` bytes of pinned memory."""
        return _PinnedTensor(torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=self._cuda is not None))

    @contextlib.contextmanager
    def uploads(self, *, in_use: bool) -> Iterator[None]:
        """Copy on a stream of its own, so that an upload can run beside another thread's detection."""
        if self._cuda is None:
            yield
            return
        current, own = self._cuda.current_stream(self._device), self._own_stream()
        if in_use:
            own.wait_stream(current)
        with self._cuda.stream(own):
            yield
        current.wait_stream(own)

    def _own_stream(self) -> Any:
        with self._lock:
            if self._upload_stream is None:
                self._upload_stream = self._cuda.Stream(self._device)
            return self._upload_stream


class _PinnedTensor:
    """Host memory for copies to the device, which torch keeps from being used again before they are over."""

    __slots__ = ("_memory", "host")

    def __init__(self, memory: Tensor) -> None:
        self._memory = memory
        self.host: npt.NDArray[np.uint8] = memory.numpy()

    def send(self, first: int, target: Tensor) -> None:
        """Queue a copy of what begins at byte `first` to a tensor."""
        target.copy_(self._memory[first : first + len(target)], non_blocking=True)
