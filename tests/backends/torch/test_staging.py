"""What arrives when arrays are copied in parts, by threads: their bytes, where they belong, and nothing elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch backend needs torch")

from mtcnn_fast.backends.torch import staging  # noqa: E402
from mtcnn_fast.backends.torch.staging import Stager  # noqa: E402

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(4)


def fill(sizes, gap, size=None, **options):
    """Fill memory of ones; return what it holds, and the arrays at their places."""
    content = [RNG.integers(2, 256, length, dtype=np.uint8) for length in sizes]
    places = [7 + sum(sizes[:i]) + i * gap for i in range(len(sizes))]
    stager = Stager(torch.device("cpu"))
    memory = stager.allocate(size or 7 + sum(sizes) + gap * len(sizes) + 5)
    memory.fill_(1)
    stager.fill(memory, content, places, **options)
    return memory.numpy(), content, places


@pytest.mark.parametrize("part", [1 << 22, 100, 1])
@pytest.mark.parametrize("sizes", [[], [0], [1], [300, 0, 50], [99, 100, 101, 200]])
@pytest.mark.parametrize("in_use", [False, True])
def test_every_array_arrives_at_its_place(monkeypatch, part, sizes, in_use):
    """In one part and in many."""
    monkeypatch.setattr(staging, "PART", part)
    memory, content, places = fill(sizes, gap=3, in_use=in_use)
    for array, place in zip(content, places, strict=True):
        np.testing.assert_array_equal(memory[place : place + len(array)], array)
    end = places[-1] + len(content[-1]) if sizes else 0
    assert (memory[:7] == 1).all()
    assert (memory[end:] == 1).all() or not sizes


def test_memory_is_never_empty():
    assert len(Stager(torch.device("cpu")).allocate(0)) == 1


def test_an_error_of_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(staging, "PART", 10)
    stager = Stager(torch.device("cpu"))
    with pytest.raises(ValueError, match="broadcast"):
        stager.fill(stager.allocate(50), [np.zeros(100, np.uint8)], [0])
