"""`TorchBackend` on a CUDA device, with its real kernels on the emulated device and torch on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch

from mtcnn_fast.backends.cascade.capacities import CapacityChooser, usual_capacities
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.backends.torch.backend import TorchBackend
from mtcnn_fast.backends.torch.graphs import GraphRecorder
from mtcnn_fast.backends.torch.tensors import TorchArrays
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import Weights
from support.cuda_device import ModuleDevice


class EmulatedTorchBackend(TorchBackend):
    """Stands for `TorchBackend` on a CUDA device.

    Parameters
    ----------
    device : ModuleDevice
        Must accept host memory (`accepting_host_memory`): torch's tensors on the CPU are what the kernels work on.
    usual : callable
        Returns the usual lengths of lists for a plan.
    record : callable or None
        Stands for the recording of graphs.
    options
        As for `TorchBackend`.
    """

    def __init__(
        self,
        device: ModuleDevice,
        config: DetectorConfig,
        weights: Weights,
        *,
        usual: Callable[[Plan], Capacities] = usual_capacities,
        record: GraphRecorder | None = None,
        **options: Any,
    ) -> None:
        self._emulated, self._record = device, record
        super().__init__(config, weights, **options)
        self._capacities = CapacityChooser(usual)

    def _fuses(self, networks: str | None) -> bool:
        return networks != "torch"

    def _kernels(self) -> tuple[ModuleType, TorchArrays]:
        module = self._emulated.module
        return module, TorchArrays(torch.device("cpu"), module.ALIGNMENT, lambda: 0)

    def _recorder(self) -> GraphRecorder:
        assert self._record is not None
        return self._record


@contextlib.contextmanager
def accepting_host_memory(device: ModuleDevice) -> Iterator[None]:
    """Let kernels work on memory that the emulated device did not allocate."""
    device.library.emulation_accept_host_memory(1)
    try:
        yield
    finally:
        device.library.emulation_accept_host_memory(0)
