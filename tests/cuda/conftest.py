"""The emulated device for every test here, watched: a test fails if the device has anything to complain of."""

from collections.abc import Iterator

import pytest

from support.cuda_build import compiler
from support.cuda_device import VARIANT, ModuleDevice, load_device


@pytest.fixture(scope="session")
def loaded_device() -> ModuleDevice:
    if compiler() is None:
        pytest.skip("the emulated device needs a C++ compiler")
    return load_device()


@pytest.fixture(scope="session")
def plain_device() -> ModuleDevice:
    """The device without its checks, for work too large to watch."""
    if compiler() is None:
        pytest.skip("the emulated device needs a C++ compiler")
    return load_device("asan" if VARIANT == "asan" else "plain")


@pytest.fixture
def device(loaded_device: ModuleDevice) -> Iterator[ModuleDevice]:
    loaded_device.seed(1)
    loaded_device.reports()
    yield loaded_device
    complaints = loaded_device.reports()
    if complaints:
        pytest.fail("\n".join(complaints))
