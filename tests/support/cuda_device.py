"""The emulated CUDA device as the tests use it: its module `_cuda`, arrays in its memory, and what it complains of."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from support.cuda_build import build_module, declared_shared

#: Which build the tests in this process use. That of the sanitizers needs a process that loaded their runtime first.
VARIANT = os.environ.get("MTCNN_FAST_EMULATION", "race")


class DeviceArray:
    """An array in the emulated device's memory, which other libraries would read by ``__cuda_array_interface__``."""

    def __init__(self, device: EmulatedDevice, shape: tuple[int, ...], dtype: Any) -> None:
        self._device = device
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self.pointer = device.library.emulation_allocate(self.nbytes)
        self.interface: dict[str, Any] = {
            "shape": shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "version": 3,
        }

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.interface

    def upload(self, content: np.ndarray) -> DeviceArray:
        content = np.ascontiguousarray(content, self.dtype)
        assert content.shape == self.shape
        self._device.library.emulation_upload(self.pointer, content.ctypes.data, self.nbytes)
        return self

    def numpy(self) -> np.ndarray:
        """Copy the content to the host."""
        content = np.empty(self.shape, self.dtype)
        ctypes.memmove(content.ctypes.data, self.pointer, self.nbytes)
        return content

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self._device.library.emulation_release(self.pointer)


class EmulatedDevice:
    """Steers the emulated device behind a library that was built for it."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.emulation_seed.argtypes = [ctypes.c_uint64]
        self.library.emulation_allocate.argtypes = [ctypes.c_size_t]
        self.library.emulation_allocate.restype = ctypes.c_void_p
        self.library.emulation_release.argtypes = [ctypes.c_void_p]
        self.library.emulation_upload.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.library.emulation_reports.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.library.emulation_reports.restype = ctypes.c_size_t
        self.library.emulation_launches.argtypes = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t]
        self.library.emulation_launches.restype = ctypes.c_size_t
        self.library.emulation_opened_contexts.restype = ctypes.c_uint64
        self.library.emulation_declare_shared.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
        for place, size in declared_shared(path).items():
            self.library.emulation_declare_shared(place, size)

    def seed(self, seed: int) -> None:
        self.library.emulation_seed(seed)

    def array(self, content: Any, dtype: Any = None) -> DeviceArray:
        content = np.asarray(content, dtype)
        return DeviceArray(self, content.shape, content.dtype).upload(content)

    def empty(self, shape: tuple[int, ...] | int, dtype: Any) -> DeviceArray:
        return DeviceArray(self, (shape,) if isinstance(shape, int) else shape, dtype)

    def bytes(self, content: bytes) -> DeviceArray:
        return self.array(np.frombuffer(content, np.uint8))

    def launches(self) -> list[int]:
        """Return the number of blocks of each launch since the last call."""
        blocks = (ctypes.c_uint64 * (1 << 16))()
        return list(blocks[: self.library.emulation_launches(blocks, len(blocks))])

    @contextlib.contextmanager
    def counting_only(self) -> Iterator[None]:
        """Let launches be counted without running."""
        self.launches()
        self.library.emulation_skip_kernels(1)
        try:
            yield
        finally:
            self.library.emulation_skip_kernels(0)

    @contextlib.contextmanager
    def counted_waits(self) -> Iterator[Callable[[], int]]:
        """Give a function that returns how often the host has waited for the device since; freeing memory waits too."""
        with _only_my_memory():
            before = self.library.emulation_synchronisations()
            yield lambda: self.library.emulation_synchronisations() - before

    @contextlib.contextmanager
    def memory_left(self, size: int) -> Iterator[None]:
        """Let the device have only so many bytes more than are in use."""
        with _only_my_memory():
            self.library.emulation_set_memory(ctypes.c_size_t(self.library.emulation_memory() + size))
            try:
                yield
            finally:
                self.library.emulation_set_memory(ctypes.c_size_t(256 << 20))

    def traffic(self, array: DeviceArray) -> tuple[int, int]:
        """Return the bytes that kernels read and wrote of an array since the last call; the race build counts them."""
        read, written = ctypes.c_uint64(), ctypes.c_uint64()
        self.library.emulation_traffic(ctypes.c_void_p(array.pointer), ctypes.byref(read), ctypes.byref(written))
        return read.value, written.value

    @contextlib.contextmanager
    def opened_contexts(self) -> Iterator[Callable[[], list[int]]]:
        """Give a function that returns the devices that got a context since; freeing memory of one opens its own."""
        with _only_my_memory():
            self.library.emulation_opened_contexts()
            yield self._contexts

    def _contexts(self) -> list[int]:
        bits = self.library.emulation_opened_contexts()
        return [device for device in range(64) if bits >> device & 1]

    def reports(self) -> list[str]:
        """Return what the checks have found since the last call."""
        text = ctypes.create_string_buffer(1 << 16)
        self.library.emulation_reports(text, len(text))
        self.library.emulation_clear_reports()
        return text.value.decode().splitlines()


class ModuleDevice(EmulatedDevice):
    """The device behind a build of `mtcnn_fast._cuda`, and the module itself."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.module = _load_extension(path)
        self.library.emulation_set_driver(13000, 2)


@contextlib.contextmanager
def _only_my_memory() -> Iterator[None]:
    """Free first what earlier tests left behind, and hold Python's collector, which would do so in the middle."""
    gc.collect()
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@functools.cache
def load_device(variant: str = VARIANT) -> ModuleDevice:
    """Return the device of a build, the same each time."""
    return ModuleDevice(build_module(variant))


def _load_extension(path: Path) -> ModuleType:
    # The last part names the module's entry point; the rest keeps several builds in one process apart.
    name = f"emulated.{path.parent.name}._cuda"
    loader = ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules.pop(name, None)
    return module
