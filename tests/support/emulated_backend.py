"""The backend of the device ``cuda`` with its real kernels on the emulated device, as it is: without torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType

from mtcnn_fast._types import Image
from mtcnn_fast.backends.cascade.capacities import CapacityChooser, usual_capacities
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.backends.cuda.backend import CudaBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import Weights
from support.cuda_device import ModuleDevice

#: Of the tests that make one.
CONFIG = DetectorConfig(min_face_size=30)


class EmulatedBackend(CudaBackend):
    """Stands for `CudaBackend` on a CUDA device.

    Parameters
    ----------
    device : ModuleDevice
    config : DetectorConfig
    weights : Weights
    index : int
        The device's number.
    usual : callable
        Returns the usual lengths of lists for a plan.
    """

    def __init__(
        self,
        device: ModuleDevice,
        config: DetectorConfig,
        weights: Weights,
        index: int = 0,
        *,
        usual: Callable[[Plan], Capacities] = usual_capacities,
    ) -> None:
        self._emulated = device
        super().__init__(config, weights, index)
        self._capacities = CapacityChooser(usual)

    @contextlib.contextmanager
    def memory_for_one(self, image: Image) -> Iterator[Faces]:
        """Give the device memory for the detection of one and a half of an image, whose faces are the value."""
        self._give_memory_back()
        least = self._memory.reserved
        (faces,) = self.detect([image])
        one = self._memory.reserved - least
        self._give_memory_back()
        with self._emulated.memory_left(one + one // 2):
            yield faces

    def _load_module(self) -> ModuleType:
        return self._emulated.module
