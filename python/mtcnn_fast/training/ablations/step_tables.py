"""What a step of networks that are trained together reads from fixed places, and its capture as a CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast.training.ablations.stacked_samples import drawn
from mtcnn_fast.training.batches import Sampler


class StepTables:
    """Minibatches, random numbers and learning rates of some steps, on a device, and the place in them.

    Parameters
    ----------
    every : int
        Steps that they hold.
    streams : int
        Minibatches of a step.
    seeds : sequence of int
        Of the random numbers.
    batch_size : int
    device : torch.device

    Attributes
    ----------
    rate : Tensor of float32, scalar
        The optimizer's learning rate, see `set_rate`.
    """

    def __init__(self, every: int, streams: int, seeds: Sequence[int], batch_size: int, device: torch.device) -> None:
        self._seeds, self._batch_size = tuple(seeds), batch_size
        self._indices = torch.zeros(every, streams, batch_size, dtype=torch.int64, device=device)
        shape = (every, len(seeds), *drawn(range(1), batch_size, 0).shape[1:])
        self._draws = torch.zeros(shape, dtype=torch.float32, device=device)
        self._rates = torch.zeros(every, dtype=torch.float32, device=device)
        self.rate = torch.zeros((), dtype=torch.float32, device=device)
        self._at = torch.zeros(1, dtype=torch.int64, device=device)

    def fill(self, steps: range, samplers: Sequence[Sampler], rates: Sequence[float]) -> None:
        """Put in some steps, a sampler for each stream, and start with the first."""
        count = len(steps)
        indices = np.stack([sampler.table(steps) for sampler in samplers], axis=1)
        self._indices[:count].copy_(torch.from_numpy(indices))
        draws = [drawn(steps, self._batch_size, seed) for seed in self._seeds]
        self._draws[:count].copy_(torch.stack(draws, dim=1))
        self._rates[:count].copy_(torch.tensor(rates, dtype=torch.float32, device="cpu"))
        self.rewind()

    def minibatches(self) -> tuple[Tensor, Tensor]:
        """Return the indices ``(streams, n)`` and random numbers ``(seeds, n, DRAWS)`` of the step."""
        return self._indices.index_select(0, self._at)[0], self._draws.index_select(0, self._at)[0]

    def set_rate(self) -> None:
        """Set `rate` to that of the step."""
        self.rate.copy_(self._rates.index_select(0, self._at)[0])

    def advance(self) -> None:
        """Go on to the next step."""
        self._at.add_(1)

    def rewind(self) -> None:
        """Go back to the first step."""
        self._at.zero_()


def warm_up(step: Callable[[], None]) -> None:
    """Do some steps on another stream, as is wanted before a capture."""
    with _side_stream():
        for _ in range(3):
            step()


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """Capture a step as a CUDA graph; return what does it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Callable[[], None] = graph.replay
    return replay


def forget(optimizer: torch.optim.Optimizer, *leaves: Tensor) -> None:
    """Let an optimizer know nothing of some parameters, at the places in memory that a graph writes to."""
    for leaf in leaves:
        for value in optimizer.state.get(leaf, {}).values():
            value.zero_()


@contextlib.contextmanager
def chosen_by_time(*, rounded: bool = False) -> Iterator[None]:
    """Let cuDNN time its algorithms for the length of a block; a graph that is captured there keeps what it chose.

    Parameters
    ----------
    rounded : bool
        Whether convolutions and products of float32 take 10 bits of each factor; their sums are of float32.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32
    convolutions.benchmark = True
    if rounded:
        convolutions.allow_tf32 = products.allow_tf32 = True
    try:
        yield
    finally:
        convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = before


@contextlib.contextmanager
def _side_stream() -> Iterator[None]:
    make: Any = torch.cuda.Stream
    stream = make()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)
