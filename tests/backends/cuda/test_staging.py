"""What arrives when arrays are copied in parts, by threads: their bytes, where they belong, and nothing elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.cuda import staging
from mtcnn_fast.backends.cuda.memory import DeviceMemory
from mtcnn_fast.backends.cuda.staging import Stager
from support.cuda_build import compiler
from support.cuda_device import load_device

RNG = np.random.default_rng(4)


@pytest.fixture(params=["pool", pytest.param("torch", marks=pytest.mark.torch)])
def arrays(request):
    """Each kind of memory that uploads go to."""
    if request.param == "torch":
        torch = pytest.importorskip("torch", reason="tensors need torch")
        from mtcnn_fast.backends.torch.tensors import TorchArrays

        yield TorchArrays(torch.device("cpu"), 256, lambda: 0)
        return
    if compiler() is None:
        pytest.skip("the emulated device needs a C++ compiler")
    memory = DeviceMemory(load_device("plain").module, 0)
    with memory.working():
        yield memory


def fill(arrays, sizes, gap, size=None, **options):
    """Fill memory of ones; return what it holds, and the arrays at their places."""
    content = [RNG.integers(2, 256, length, dtype=np.uint8) for length in sizes]
    places = [7 + sum(sizes[:i]) + i * gap for i in range(len(sizes))]
    stager = Stager(arrays)
    memory = arrays.upload_target(size or 7 + sum(sizes) + gap * len(sizes) + 5)
    stager.fill(memory, [np.ones(len(memory), np.uint8)], [0])
    stager.fill(memory, content, places, **options)
    return arrays.download([memory])[0], content, places


@pytest.mark.parametrize("part", [1 << 22, 100, 1])
@pytest.mark.parametrize("sizes", [[], [0], [1], [300, 0, 50], [99, 100, 101, 200]])
@pytest.mark.parametrize("in_use", [False, True])
def test_every_array_arrives_at_its_place(monkeypatch, arrays, part, sizes, in_use):
    """In one part and in many."""
    monkeypatch.setattr(staging, "PART", part)
    memory, content, places = fill(arrays, sizes, gap=3, in_use=in_use)
    for array, place in zip(content, places, strict=True):
        np.testing.assert_array_equal(memory[place : place + len(array)], array)
    end = places[-1] + len(content[-1]) if sizes else 0
    assert (memory[:7] == 1).all()
    assert (memory[end:] == 1).all() or not sizes


def test_memory_is_never_empty(arrays):
    assert len(arrays.upload_target(0)) == 1


def test_an_error_of_a_thread_reaches_the_caller(monkeypatch, arrays):
    monkeypatch.setattr(staging, "PART", 10)
    with pytest.raises(ValueError, match="broadcast"):
        Stager(arrays).fill(arrays.upload_target(50), [np.zeros(100, np.uint8)], [0])
