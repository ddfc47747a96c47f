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
from mtcnn_fast.training.ablations.stacked_samples import DeviceSamples, augmented
from mtcnn_fast.training.ablations.step_tables import StepTables, captured, chosen_by_time, forget, warm_up
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
        self._tables = StepTables(options.every, len(options.seeds), options.seeds, options.batch_size, device)
        self._optimizers = [self._adam(network) for network in self.networks]
        self._replay: Callable[[], None] = self.step
        self.rows: list[dict[str, Any]] = []

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        on_gpu = self.device.type == "cuda"
        return torch.optim.Adam(network.parameters(), lr=self._tables.rate, fused=True, capturable=on_gpu)

    def fill(self, steps: range) -> None:
        """Put some steps into the tables, and start there."""
        options = self.options
        rates = [options.learning_rate * (1 + math.cos(math.pi * step / options.steps)) / 2 for step in steps]
        self._tables.fill(steps, self._samplers, rates)

    def minibatches(self) -> tuple[Tensor, Tensor]:
        """Return the images ``(S, n, 3, side, side)`` and labels ``(S, n)`` of all seeds at the place in the tables."""
        indices, draws = self._tables.minibatches()
        batch = augmented(self.samples.take(indices.flatten()), draws.flatten(0, 1), AugmentOptions())
        labels = (batch.kinds == int(SampleKind.POSITIVE)).long()
        return torch.unflatten(network_input(batch.images), 0, indices.shape), labels.view(indices.shape)

    def step(self) -> None:
        """Train all networks at the place in the tables, and go on to the next."""
        images, labels = self.minibatches()
        self._tables.set_rate()
        places = [self.options.seeds.index(seed) for _, seed in self.names]
        with _streams(self.device, len(self.networks)) as streams:
            for network, optimizer, place, stream in zip(self.networks, self._optimizers, places, streams, strict=True):
                with stream:
                    _descend(network, optimizer, images[place], labels[place])
        self._tables.advance()

    def prepare(self) -> None:
        """Capture a step as a graph, on a GPU; leave the networks as they are."""
        if self.device.type != "cuda":
            return
        before = [[value.detach().clone() for value in network.parameters()] for network in self.networks]
        with chosen_by_time(rounded=True):
            warm_up(self.step)
            self._replay = captured(self.step)
        with torch.no_grad():
            for network, optimizer, values in zip(self.networks, self._optimizers, before, strict=True):
                for value, old in zip(network.parameters(), values, strict=True):
                    value.copy_(old)
                forget(optimizer, *network.parameters())
        self._tables.rewind()

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
