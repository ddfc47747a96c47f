"""A real CUDA device with the interface of the emulated one, so that the kernels' tests run on both."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtcnn_fast.backends.torch.devices import cuda_module


class RealArray:
    """An array in the device's memory, held by torch."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        import torch

        self.shape, self.dtype = shape, np.dtype(dtype)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        # What nothing has written is not zero, as on the emulated device.
        self._memory = torch.full((max(self.nbytes, 1),), 0xCB, dtype=torch.uint8, device="cuda")
        self.pointer = self._memory.data_ptr()

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
        import torch

        content = np.ascontiguousarray(content, self.dtype)
        flat = torch.from_numpy(content.reshape(-1).view(np.uint8).copy())
        self._memory[: self.nbytes].copy_(flat)
        return self

    def numpy(self) -> np.ndarray:
        return self._memory[: self.nbytes].cpu().numpy().view(self.dtype).reshape(self.shape).copy()


class RealDevice:
    """The first CUDA device."""

    def __init__(self) -> None:
        module, problem = cuda_module()
        if module is None:
            raise RuntimeError(problem)
        self.module = module

    def seed(self, seed: int) -> None:
        """Do nothing: the hardware chooses its own order."""

    def array(self, content: Any, dtype: Any = None) -> RealArray:
        content = np.asarray(content, dtype)
        return RealArray(content.shape, content.dtype).upload(content)

    def empty(self, shape: tuple[int, ...] | int, dtype: Any) -> RealArray:
        return RealArray((shape,) if isinstance(shape, int) else shape, dtype)

    def bytes(self, content: bytes) -> RealArray:
        return self.array(np.frombuffer(content, np.uint8))

    def reports(self) -> list[str]:
        """Wait for the device, so that an error of a kernel fails its own test."""
        import torch

        torch.cuda.synchronize()
        return []
