"""`SideBySide`: classifiers of any kind that learn from the same windows, a step of all of them as one CUDA graph.

What `mtcnn_fast.training.ablations.cascade_table` does for one network after the other. Small networks leave a GPU
idle; each has a stream of its own within the graph. All that share a seed see the same minibatches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mtcnn_fast.training import losses
from mtcnn_fast.training.ablations.cascade_cnn import CLASSIFICATION
from mtcnn_fast.training.ablations.cascade_table import make_network
from mtcnn_fast.training.ablations.stacked_samples import DeviceSamples, augmented, drawn
from mtcnn_fast.training.batches import Sampler, network_input, quotas
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.metrics import kind_sums, summary
from mtcnn_fast.training.samples.augment import AugmentOptions
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind

#: Windows that a network sees at once where no gradient is wanted.
_EVALUATION_BATCH = 1024

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class SideBySideOptions:
    """Settings of all networks.

    Attributes
    ----------
    seeds : tuple of int
        Of initial weights and minibatches.
    steps, batch_size : int
    learning_rate : float
        Of Adam at first; it falls to zero along a cosine.
    every : int
        Steps between two looks at the held-out samples.
    seconds : float
        After which the training ends, whatever the number of steps.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 30_000
    batch_size: int = 112
    learning_rate: float = 0.001
    every: int = 2000
    seconds: float = math.inf


class SideBySide:
    """Trains networks to tell faces from the rest.

    Parameters
    ----------
    names : sequence of str
        Of `cascade_table.PAIRS`, all of the samples' window.
    training, held_out : SampleBatch
    options : SideBySideOptions
    device : torch.device
    say : callable
        Is told of progress.

    Attributes
    ----------
    names : list of (str, int)
        Network and seed of each, in order.
    networks : list of Module
    rows : list of dict
        Of each look and network: ``variant``, its name, ``seed``, ``step``, and held-out ``loss`` and ``accuracy``.
    """

    def __init__(
        self,
        names: Sequence[str],
        training: SampleBatch,
        held_out: SampleBatch,
        options: SideBySideOptions,
        device: torch.device,
        say: Say = print,
    ) -> None:
        self.options, self.device, self._say = options, device, say
        self.names = [(name, seed) for name in names for seed in options.seeds]
        self.networks = [make_network(name, seed).to(device).train() for name, seed in self.names]
        self.samples = DeviceSamples.put(training, device)
        self.held_out = DeviceSamples.put(held_out, device)
        pools = {kind: np.flatnonzero(training.kinds == kind) for kind in SampleKind}
        sizes = quotas(CLASSIFICATION["ratio"], {kind: len(pool) for kind, pool in pools.items()}, options.batch_size)
        self._samplers = [Sampler(pools, sizes, (seed,)) for seed in options.seeds]
        self._rate = torch.tensor(options.learning_rate, dtype=torch.float32, device=device)
        self._optimizers = [self._adam(network) for network in self.networks]
        self._make_tables()
        self._replay: Callable[[], None] = self.step
        self.rows: list[dict[str, Any]] = []

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        on_gpu = self.device.type == "cuda"
        return torch.optim.Adam(network.parameters(), lr=self._rate, fused=True, capturable=on_gpu)

    def _make_tables(self) -> None:
        """Make what a step reads from a fixed place: minibatches, random numbers and rates of `every` steps."""
        options, device, seeds = self.options, self.device, len(self.options.seeds)
        shape = (options.every, seeds, options.batch_size)
        self._table = torch.zeros(shape, dtype=torch.int64, device=device)
        numbers = drawn(range(1), options.batch_size, 0).shape[-1]
        self._draws = torch.zeros(*shape, numbers, dtype=torch.float32, device=device)
        self._rates = torch.zeros(options.every, dtype=torch.float32, device=device)
        self._at = torch.zeros(1, dtype=torch.int64, device=device)

    def fill(self, steps: range) -> None:
        """Put some steps into the tables, and start there."""
        count = len(steps)
        table = np.stack([sampler.table(steps) for sampler in self._samplers], axis=1)
        self._table[:count].copy_(torch.from_numpy(table))
        draws = [drawn(steps, self.options.batch_size, seed) for seed in self.options.seeds]
        self._draws[:count].copy_(torch.stack(draws, dim=1))
        shares = np.cos(np.pi * np.array(steps) / self.options.steps).astype(np.float32)
        self._rates[:count].copy_(self.options.learning_rate * torch.from_numpy((1 + shares) / 2))
        self._at.zero_()

    def minibatches(self) -> tuple[Tensor, Tensor]:
        """Return the images ``(S, n, 3, side, side)`` and labels ``(S, n)`` of all seeds at the place in the tables."""
        indices = self._table.index_select(0, self._at)[0]
        draws = self._draws.index_select(0, self._at)[0]
        batch = augmented(self.samples.take(indices.flatten()), draws.flatten(0, 1), AugmentOptions())
        labels = (batch.kinds == int(SampleKind.POSITIVE)).long()
        return torch.unflatten(network_input(batch.images), 0, indices.shape), labels.view(indices.shape)

    def step(self) -> None:
        """Train all networks at the place in the tables, and go on to the next."""
        images, labels = self.minibatches()
        self._rate.copy_(self._rates.index_select(0, self._at)[0])
        places = [self.options.seeds.index(seed) for _, seed in self.names]
        with _streams(self.device, len(self.networks)) as streams:
            for network, optimizer, place, stream in zip(self.networks, self._optimizers, places, streams, strict=True):
                with stream:
                    _descend(network, optimizer, images[place], labels[place])
        self._at.add_(1)

    def prepare(self) -> None:
        """Capture a step as a graph, on a GPU; leave the networks as they are."""
        if self.device.type != "cuda":
            return
        # Convolutions and products of float32 with 10 bits of each factor, whose sums are of float32.
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        before = [[value.detach().clone() for value in network.parameters()] for network in self.networks]
        make: Any = torch.cuda.Stream
        warm = make()
        warm.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(warm)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self._replay = graph.replay
        self._forget(before)

    def _forget(self, parameters: Sequence[Sequence[Tensor]]) -> None:
        """Set the parameters, and begin with optimizers that know nothing."""
        with torch.no_grad():
            for network, optimizer, values in zip(self.networks, self._optimizers, parameters, strict=True):
                for value, old in zip(network.parameters(), values, strict=True):
                    value.copy_(old)
                for state in optimizer.state.values():
                    for moment in state.values():
                        moment.zero_()
        self._at.zero_()

    def replay(self) -> None:
        """Do a step, as a graph where there is one."""
        self._replay()

    def run(self) -> int:
        """Train; return the number of steps done."""
        options, began = self.options, time.perf_counter()
        self.fill(range(min(options.every, options.steps)))
        self.prepare()
        self.look(0)
        done = 0
        while done < options.steps and time.perf_counter() - began < options.seconds:
            steps = range(done, min(done + options.every, options.steps))
            self.fill(steps)
            for _ in steps:
                self.replay()
            done = steps.stop
            self.look(done)
            self._say(f"{done} of {options.steps} steps, {time.perf_counter() - began:.1f} s")
        return done

    @torch.no_grad()
    def look(self, step: int) -> None:
        """Measure all networks on the held-out samples."""
        targets = self.held_out.targets()
        for (name, seed), network in zip(self.names, self.networks, strict=True):
            parts = [
                network(network_input(images))[0] for images in torch.split(self.held_out.images, _EVALUATION_BATCH)
            ]
            outputs = Outputs(torch.cat(parts), None, None)
            sums = kind_sums(outputs, losses.sample_losses(outputs, targets), targets)
            figures = summary(sums, CLASSIFICATION["ratio"], CLASSIFICATION["alpha"])
            kept = {"loss": figures["detection"], "accuracy": figures["accuracy"]}
            self.rows.append({"variant": name, "seed": seed, "step": step, **kept})


def _descend(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    loss = functional.cross_entropy(network(images)[0], labels)
    values = [value for value in network.parameters() if value.requires_grad]
    # What has no part in classification has no gradient, as with the other kinds of training.
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    for value, gradient in zip(values, gradients, strict=True):
        # The fused optimizer takes gradients to be stored as their parameters are.
        value.grad = None if gradient is None else gradient.contiguous()
    optimizer.step()


@contextlib.contextmanager
def _streams(device: torch.device, count: int) -> Iterator[list[Any]]:
    """Open so many streams that begin after the current one, which then waits for them."""
    if device.type != "cuda":
        yield [contextlib.nullcontext() for _ in range(count)]
        return
    current = torch.cuda.current_stream()
    make: Any = torch.cuda.Stream
    streams = [make() for _ in range(count)]
    for stream in streams:
        stream.wait_stream(current)
    yield [torch.cuda.stream(stream) for stream in streams]
    for stream in streams:
        current.wait_stream(stream)
