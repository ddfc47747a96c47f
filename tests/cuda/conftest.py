"""The device that the kernels' tests run on: the emulated one, watched, or with MTCNN_FAST_EMULATION=gpu a real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mtcnn_fast.backends.cuda.devices import cuda_problem
from mtcnn_fast.weights import Weights, load_weights
from support.cascade_cases import ROOM, small_pictures
from support.cuda_build import compiler
from support.cuda_device import VARIANT, load_device
from support.cuda_producers import BOXES, SCORES
from support.cuda_real import RealDevice
from support.emulated_backend import CONFIG, EmulatedBackend


def load(variant: str) -> Any:
    if VARIANT == "gpu":
        problem = cuda_problem()
        if problem is not None:
            pytest.skip(f"no CUDA device: {problem}")
        return RealDevice()
    if compiler() is None:
        pytest.skip("the emulated device needs a C++ compiler")
    return load_device("asan" if VARIANT == "asan" else variant)


@pytest.fixture(scope="session")
def loaded_device() -> Any:
    return load("race")


@pytest.fixture(scope="session")
def plain_device() -> Any:
    """The device without its checks, for work too large to watch."""
    return load("plain")


@pytest.fixture
def device(loaded_device: Any) -> Iterator[Any]:
    """The device; a test fails if it has anything to complain of."""
    loaded_device.seed(1)
    loaded_device.reports()
    yield loaded_device
    complaints = loaded_device.reports()
    if complaints:
        pytest.fail("\n".join(complaints))


@pytest.fixture
def arrays(device: Any) -> tuple[Any, Any]:
    """Boxes and scores for `run_nms`, in the device's memory."""
    return device.array(BOXES), device.array(SCORES)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Pictures for the whole cascade on the emulated device."""
    return small_pictures()


@pytest.fixture
def make(plain_device: Any) -> Iterator[Callable[..., EmulatedBackend]]:
    """A function that makes the backend of the device ``cuda`` on the emulated device."""

    def make(room: Any = ROOM, *, weights: Weights | None = None, index: int = 0, **settings: Any) -> EmulatedBackend:
        config = dataclasses.replace(CONFIG, **settings)
        usual = room if callable(room) else lambda plan: room
        return EmulatedBackend(plain_device, config, weights or load_weights(None), index, usual=usual)

    yield make
    assert plain_device.reports() == []
