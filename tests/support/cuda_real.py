"""A real CUDA device with the interface of the emulated one, so that the kernels' tests run on both. Needs no torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtcnn_fast.backends.cuda.devices import cuda_module


class RealArray:
    """An array in the device's memory."""

    def __init__(self, device: RealDevice, shape: tuple[int, ...], dtype: Any) -> None:
        self._device = device
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self._memory = device.module.Array(device.stream, max(self.nbytes, 1), "uint8")
        self.pointer = self._memory.data_ptr()
        # What nothing has written is not zero, as on the emulated device.
        self._send(np.full(max(self.nbytes, 1), 0xCB, np.uint8))

    @property
    def interface(self) -> dict[str, Any]:
        """What the array says of itself, for objects that say something else."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "version": 3,
        }

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.interface

    def upload(self, content: np.ndarray) -> RealArray:
        flat = np.ascontiguousarray(content, self.dtype).reshape(-1).view(np.uint8)
        if flat.size:
            self._send(flat)
        return self

    def _send(self, flat: np.ndarray) -> None:
        pinned = self._device.module.PinnedMemory(self._device.stream, flat.size)
        np.frombuffer(pinned, np.uint8)[:] = flat
        pinned.send(0, self._memory[: flat.size])

    def numpy(self) -> np.ndarray:
        return self._memory.numpy()[: self.nbytes].view(self.dtype).reshape(self.shape).copy()


class RealDevice:
    """The first CUDA device, and its legacy default stream."""

    def __init__(self) -> None:
        module, problem = cuda_module()
        if module is None:
            raise RuntimeError(problem)
        self.module = module
        self.stream = module.Stream(module.Pool(0), 0)

    def seed(self, seed: int) -> None:
        """Do nothing: the hardware chooses its own order."""

    def array(self, content: Any, dtype: Any = None) -> RealArray:
        content = np.asarray(content, dtype)
        return RealArray(self, content.shape, content.dtype).upload(content)

    def empty(self, shape: tuple[int, ...] | int, dtype: Any) -> RealArray:
        return RealArray(self, (shape,) if isinstance(shape, int) else shape, dtype)

    def bytes(self, content: bytes) -> RealArray:
        return self.array(np.frombuffer(content, np.uint8))

    def reports(self) -> list[str]:
        """Wait for the device, so that an error of a kernel fails its own test."""
        self.stream.synchronize()
        return []
