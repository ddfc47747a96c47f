"""The device that the kernels' tests run on: the emulated one, watched, or with MTCNN_FAST_EMULATION=gpu a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mtcnn_fast.backends.cuda.devices import cuda_problem
from support.cuda_build import compiler
from support.cuda_device import VARIANT, load_device
from support.cuda_producers import BOXES, SCORES
from support.cuda_real import RealDevice


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
