"""`StackedTraining`: the ablations of O-Net, all variants and seeds at once, a step of all of them as one CUDA graph.

The variants are those of `mtcnn_fast.training.ablations.ohem` and `alignment`, and bootstrapping. Variants of one seed
start from the same weights. Those that train for the same tasks see the same minibatches with the same augmentation.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._types import Indices
from mtcnn_fast.training import losses
from mtcnn_fast.training.ablations.stacked_layers import convolve_apart
from mtcnn_fast.training.ablations.stacked_losses import overall_losses
from mtcnn_fast.training.ablations.stacked_networks import StackedONets
from mtcnn_fast.training.ablations.stacked_samples import DeviceSamples, augmented, normalised
from mtcnn_fast.training.ablations.step_tables import StepTables, captured, chosen_by_time, forget, warm_up
from mtcnn_fast.training.batches import Sampler, quotas
from mtcnn_fast.training.losses import Outputs, Targets
from mtcnn_fast.training.metrics import kind_sums, summary
from mtcnn_fast.training.samples.augment import AugmentOptions
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.train_options import ALPHA

#: Windows that a network sees at once where no gradient is wanted.
_EVALUATION_BATCH = 256

#: Where the variants' minibatches come from: for classification alone, the same with negatives that were found, all.
_CLASSIFICATION, _BOOTSTRAPPING, _TASKS = range(3)
_RATIOS = ((3.0, 1.0, 0.0, 0.0), (3.0, 1.0, 0.0, 0.0), (3.0, 1.0, 1.0, 2.0))

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Arm:
    """A variant: its minibatches, the share of hard examples that count, and the weights of the tasks."""

    stream: int
    keep: float
    alpha: tuple[float, float, float]


ARMS = {
    "with mining": Arm(_CLASSIFICATION, 0.7, (1.0, 0.0, 0.0)),
    "without mining": Arm(_CLASSIFICATION, 1.0, (1.0, 0.0, 0.0)),
    "bootstrapping": Arm(_BOOTSTRAPPING, 1.0, (1.0, 0.0, 0.0)),
    "JA": Arm(_TASKS, 0.7, ALPHA["o"]),
    "No JA": Arm(_TASKS, 0.7, (*ALPHA["o"][:2], 0.0)),
}


@dataclasses.dataclass(frozen=True, slots=True)
class StackedOptions:
    """Settings of all networks.

    Attributes
    ----------
    seeds : tuple of int
    steps : int
        At most.
    seconds : float
        That the training may take; the number of steps is chosen by it.
    every : int
        Steps between two looks at the held-out samples.
    batch_size : int
    learning_rate : float
        Of Adam; fixed, but for the last share `decay` of the steps, over which it falls to zero along a line.
    decay : float
    rounds : int
    first_negatives : float
        Of bootstrapping, see `mtcnn_fast.training.train_options.TrainOptions`.
    graphs : bool
        Whether to capture a step as a CUDA graph.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 30_000
    seconds: float = math.inf
    every: int = 1000
    batch_size: int = 64
    learning_rate: float = 0.001
    decay: float = 0.2
    rounds: int = 3
    first_negatives: float = 0.25
    graphs: bool = True


class StackedTraining:
    """Trains every variant with every seed.

    Parameters
    ----------
    training, held_out : SampleBatch
    options : StackedOptions
    device : torch.device
    dtype : torch.dtype
        That convolutions and products are computed in.
    say : callable
        Is told of progress.

    Attributes
    ----------
    names : list of (str, int)
        Variant and seed of each network, in order.
    networks : StackedONets
    """

    def __init__(
        self,
        training: SampleBatch,
        held_out: SampleBatch,
        options: StackedOptions,
        device: torch.device,
        dtype: torch.dtype,
        say: Say = print,
    ) -> None:
        self.options = options
        self.device = device
        self._say = say
        self.names = [(name, seed) for seed in options.seeds for name in ARMS]
        self.arms = [ARMS[name] for name, _ in self.names]
        self.networks = StackedONets([seed for _, seed in self.names], device, dtype)
        self._kinds = training.kinds
        self.samples = DeviceSamples.put(training, device)
        self.held_out = DeviceSamples.put(held_out, device)
        self._pools = {kind: np.flatnonzero(training.kinds == kind) for kind in SampleKind}
        counts = {kind: len(indices) for kind, indices in self._pools.items()}
        self._sizes = [quotas(ratio, counts, options.batch_size) for ratio in _RATIOS]
        self._samplers = [Sampler(self._pools, each, (seed,)) for seed in options.seeds for each in self._sizes]
        self._begin_bootstrapping()
        self._make_buffers()
        self._leaves = [nn.Parameter(row) for row in self.networks.values.detach()]
        on_gpu = device.type == "cuda"
        self._optimizer = torch.optim.Adam(self._leaves, lr=self._tables.rate, fused=True, capturable=on_gpu)
        self._replay: Callable[[], None] = self.step
        self._prepared = False
        self.rows: list[dict[str, Any]] = []

    def _begin_bootstrapping(self) -> None:
        negatives = self._pools[SampleKind.NEGATIVE]
        count = max(1, round(self.options.first_negatives * len(negatives)))
        self._active: dict[int, Indices] = {}
        for place, seed in enumerate(self.options.seeds):
            self._take_negatives(place, np.random.default_rng((seed, 2)).choice(negatives, count, replace=False))

    def _take_negatives(self, place: int, negatives: Indices) -> None:
        """Let bootstrapping with a seed, by its place, go on with other negatives; faces come as before."""
        self._active[place] = np.sort(negatives)
        pools = {**self._pools, SampleKind.NEGATIVE: self._active[place]}
        sampler = Sampler(pools, self._sizes[_BOOTSTRAPPING], (self.options.seeds[place],))
        self._samplers[place * len(_RATIOS) + _BOOTSTRAPPING] = sampler

    def _make_buffers(self) -> None:
        """Make what a step reads from a fixed place."""
        options, device = self.options, self.device
        seeds = range(len(options.seeds))
        self._tables = StepTables(options.every, len(self._samplers), options.seeds, options.batch_size, device)
        self._seed_of_stream = torch.tensor([seed for seed in seeds for _ in _RATIOS], dtype=torch.int64, device=device)
        streams = [seed * len(_RATIOS) + ARMS[name].stream for seed in seeds for name in ARMS]
        self._stream_of_network = torch.tensor(streams, dtype=torch.int64, device=device)
        classified = [each[SampleKind.NEGATIVE] + each[SampleKind.POSITIVE] for each in self._sizes]
        kept = [losses.hard_count(arm.keep, classified[arm.stream]) for arm in self.arms]
        self.kept = torch.tensor(kept, dtype=torch.int64, device=device)
        self.alpha = torch.tensor([arm.alpha for arm in self.arms], dtype=torch.float32, device=device)
        self.loss_sums = torch.zeros(len(self.arms), dtype=torch.float32, device=device)

    def minibatch(self) -> tuple[Tensor, Targets]:
        """Return the images ``(M, n, 48, 48, 4)`` and targets ``(M * n, ...)`` at the place in the tables."""
        indices, draws = self._tables.minibatches()
        draws = draws.index_select(0, self._seed_of_stream)
        batch = augmented(self.samples.take(indices.flatten()), draws.flatten(0, 1), AugmentOptions())
        images = torch.unflatten(normalised(batch.images, self.networks.dtype), 0, indices.shape)
        targets = [
            torch.unflatten(part, 0, indices.shape).index_select(0, self._stream_of_network).flatten(0, 1)
            for part in batch.targets()
        ]
        return images.index_select(0, self._stream_of_network), Targets(*targets)

    def network_losses(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Return each network's loss ``(M,)``, that of its hard examples."""
        found = losses.sample_losses(_flat(outputs), targets)
        return overall_losses(found, len(self.arms), self.kept, self.alpha)

    def step(self) -> None:
        """Train all networks on the minibatch at the place in the tables, and go on to the next."""
        images, targets = self.minibatch()
        each = self.network_losses(self.networks.outputs(images), targets)
        (gradient,) = torch.autograd.grad(each.sum(), [self.networks.values])
        for leaf, row in zip(self._leaves, gradient.unbind(), strict=True):
            leaf.grad = row
        self._tables.set_rate()
        self._optimizer.step()
        self.networks.keep_slopes()
        self.loss_sums.add_(each.detach())
        self._tables.advance()

    def fill(self, steps: range, total: int) -> None:
        """Put the minibatches, random numbers and learning rates of some steps into the tables; start there."""
        self._tables.fill(steps, self._samplers, [self._rate_of(step, total) for step in steps])
        self.loss_sums.zero_()

    def _rate_of(self, step: int, total: int) -> float:
        options = self.options
        left = (total - step) / max(1.0, options.decay * total)
        return options.learning_rate * min(1.0, left)

    def prepare(self) -> None:
        """Choose how to convolve, and capture a step as a graph if that is possible; leave the networks as they are."""
        if self.device.type != "cuda" or self._prepared:
            return
        self._prepared = True
        before = self.networks.values.detach().clone()
        with chosen_by_time():
            self._say(f"convolutions, ms: {self.networks.choose_ways(self.options.batch_size)}")
            self._say(f"taken: {[way.__name__ for way in self.networks.ways]}")
            warm_up(self.step)
            if self.options.graphs:
                self._capture()
        self.restart(before)

    def _capture(self) -> None:
        try:
            self._replay = captured(self.step)
        except RuntimeError as error:
            self._say(f"no graph, steps are launched one kernel at a time: {error}")
            torch.cuda.synchronize()

    def be_plain(self) -> None:
        """Convolve network by network, without a graph."""
        self._prepared = True
        self.networks.ways = [convolve_apart] * len(self.networks.ways)
        self._replay = self.step

    def restart(self, values: Tensor) -> None:
        """Set the parameters, begin with an optimizer that knows nothing, and with the tables."""
        with torch.no_grad():
            self.networks.values.copy_(values)
        forget(self._optimizer, *self._leaves)
        self._tables.rewind()
        self.loss_sums.zero_()

    def replay(self) -> None:
        """Do a step, as a graph where there is one."""
        self._replay()

    def seconds_a_step(self, steps: int = 40) -> float:
        """Time steps, and leave the networks as they are."""
        before = self.networks.values.detach().clone()
        times = []
        for count in (steps // 4, steps):
            self._tables.rewind()
            start = self._now()
            for _ in range(min(count, self.options.every)):
                self.replay()
            times.append((self._now() - start) / min(count, self.options.every))
        self.restart(before)
        return times[-1]

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def run(self) -> int:
        """Train; return the number of steps done. `rows` has a row for each network at each look."""
        options, every = self.options, self.options.every
        began = self._now()
        self.fill(range(every), every)
        self.prepare()
        taken = self.seconds_a_step()
        total = options.steps
        if math.isfinite(options.seconds):
            left = options.seconds - (self._now() - began) - 2 * self._look(0)
            possible = int(left / (1.05 * taken + self._look_seconds / every)) // every * every
            total = min(total, max(every, possible))
        else:
            self._look(0)
        self._say(f"{1000 * taken:.3f} ms a step of {len(self.arms)} networks; {total} steps")
        edges = [round(total * number / options.rounds / every) * every for number in range(1, options.rounds)]
        done = 0
        while done < total and self._now() - began < options.seconds:
            if done in edges:
                self._bootstrap(2 + edges.index(done))
            steps = range(done, min(done + every, total))
            self.fill(steps, total)
            for _ in steps:
                self.replay()
            done = steps.stop
            self._look(done)
            self._say(f"{done} of {total} steps, {self._now() - began:.1f} s")
        return done

    def _look(self, step: int) -> float:
        """Measure all networks on the held-out samples; return the seconds it took."""
        start = self._now()
        values = self.networks.values.detach()
        finite = torch.isfinite(values).all(dim=1).tolist()
        lost = [name for name, whole in zip(self.names, finite, strict=True) if not whole]
        if lost:
            # The others have nothing to do with them.
            self._say(f"parameters that are not finite numbers after step {step}: {lost}")
        trained = (self.loss_sums / max(1, self.options.every)).tolist()
        outputs = self.said_of(self.held_out, values)
        targets = self.held_out.targets()
        for network, ((name, seed), arm) in enumerate(zip(self.names, self.arms, strict=True)):
            own = _of_each(outputs, operator.itemgetter(network))
            sums = kind_sums(own, losses.sample_losses(own, targets), targets)
            figures = summary(sums, _RATIOS[arm.stream], arm.alpha)
            row = {"variant": name, "seed": seed, "step": step, **figures, "training": trained[network]}
            self.rows.append(row)
        self._look_seconds = self._now() - start
        return self._look_seconds

    @torch.no_grad()
    def said_of(self, samples: DeviceSamples, values: Tensor) -> Outputs:
        """Return the outputs ``(M, n, ...)`` of some rows of parameters for samples without augmentation."""
        found = []
        for images in torch.split(samples.images, _EVALUATION_BATCH):
            given = normalised(images, self.networks.dtype).expand(len(values), *[-1] * images.dim())
            found.append(self.networks.outputs(given.contiguous(), values))
        return Outputs(*(torch.cat(parts, dim=1) for parts in zip(*found, strict=True)))

    def _bootstrap(self, number: int) -> None:
        """Add to the negatives of bootstrapping those that its networks take for faces; their optimizers begin anew."""
        places = [place for place, arm in enumerate(self.arms) if arm.stream == _BOOTSTRAPPING]
        negatives = self._pools[SampleKind.NEGATIVE]
        parts = []
        for chosen in torch.split(torch.from_numpy(negatives).to(self.device), 16 * _EVALUATION_BATCH):
            outputs = self.said_of(self.samples.take(chosen), self.networks.values.detach()[places])
            parts.append(outputs.logits[..., 1] > outputs.logits[..., 0])
        taken_for_faces = torch.cat(parts, dim=1).cpu().numpy()
        for place, (network, faces) in enumerate(zip(places, taken_for_faces, strict=True)):
            self._take_negatives(place, np.union1d(self._active[place], negatives[faces]))
            forget(self._optimizer, self._leaves[network])
        counts = [len(active) for active in self._active.values()]
        self._say(f"bootstrapping, round {number}: {counts} of {len(negatives)} negatives")


def _flat(outputs: Outputs) -> Outputs:
    return _of_each(outputs, lambda part: part.flatten(0, 1))


def _of_each(outputs: Outputs, change: Callable[[Tensor], Tensor]) -> Outputs:
    """Return outputs of which each that there is has been changed."""
    parts: list[Any] = [None if part is None else change(part) for part in outputs]
    return Outputs(*parts)
