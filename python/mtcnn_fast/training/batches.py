"""Which samples make up each minibatch, and their way from the shards to the network.

A minibatch is a function of the seed and of the number of the step, so that a run can go on at any step, and that every
process of a group knows the whole minibatch and takes its part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Indices
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.distributed import ProcessGroup
from mtcnn_fast.training.losses import Targets, box_targets
from mtcnn_fast.training.samples.augment import augment, draw
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.train_options import TrainOptions
from mtcnn_fast.weights.spec import BoxCoding

if TYPE_CHECKING:
    from mtcnn_fast.training.train_options import TrainOptions
from mtcnn_fast.training.samples.sample_set import SampleSet


@dataclasses.dataclass(frozen=True, slots=True)
class Minibatch:
    """Samples on their way into a network.

    Attributes
    ----------
    indices : ndarray of int64, shape (n,)
        In the sample set.
    images : Tensor of uint8, shape (n, S, S, 3)
    targets : Targets
    """

    indices: Indices
    images: Tensor
    targets: Targets


def quotas(ratio: tuple[float, ...], counts: Mapping[SampleKind, int], batch_size: int) -> dict[SampleKind, int]:
    """Divide a minibatch among the kinds of samples.

    Parameters
    ----------
    ratio : tuple of 4 float
        In the order of `SampleKind`.
    counts : mapping of SampleKind to int
        How many samples there are; a kind without any gets nothing.
    batch_size : int

    Returns
    -------
    dict of SampleKind to int
        They sum to `batch_size`. What is left after rounding down goes to the largest remainders.

    Raises
    ------
    ConfigError
        If no kind has both a share and samples.
    """
    shares = {kind: ratio[kind] for kind in SampleKind if ratio[kind] > 0 and counts.get(kind, 0) > 0}
    if not shares:
        raise ConfigError(f"ratio {ratio!r} leaves no samples to train on: there are {dict(counts)}")
    exact = {kind: batch_size * share / sum(shares.values()) for kind, share in shares.items()}
    parts = {kind: int(size + 1e-9) for kind, size in exact.items()}
    by_remainder = sorted(parts, key=lambda kind: (parts[kind] - exact[kind], kind))
    for kind in by_remainder[: batch_size - sum(parts.values())]:
        parts[kind] += 1
    return {kind: size for kind, size in parts.items() if size}


class Sampler:
    """Chooses the samples of each step: every kind is gone through in an order of its own, anew after each epoch.

    Parameters
    ----------
    pools : mapping of SampleKind to ndarray of int64
        The indices to choose among.
    sizes : mapping of SampleKind to int
        How many of each a minibatch has.
    seed : tuple of int
        The same seed gives the same minibatches.
    """

    def __init__(
        self, pools: Mapping[SampleKind, Indices], sizes: Mapping[SampleKind, int], seed: tuple[int, ...]
    ) -> None:
        self._pools = {kind: pools[kind] for kind in sorted(sizes)}
        self._sizes = dict(sizes)
        self._seed = seed
        self._orders: dict[tuple[SampleKind, int], Indices] = {}

    def indices(self, step: int) -> Indices:
        """Return the minibatch of a step: indices of shape (batch_size,), mixed so that any part has all kinds."""
        chosen = [self._chosen(kind, step * size, size) for kind, size in self._sizes.items()]
        mixed = np.random.default_rng((*self._seed, 1, step)).permutation(np.concatenate(chosen))
        return mixed.astype(np.int64, copy=False)

    def table(self, steps: range) -> Indices:
        """Return the minibatches of consecutive steps ``(len(steps), batch_size)`` at once, each kind by kind."""
        parts = [
            self._chosen(kind, steps.start * size, len(steps) * size).reshape(len(steps), size)
            for kind, size in self._sizes.items()
        ]
        return np.concatenate(parts, axis=1)

    def _chosen(self, kind: SampleKind, start: int, size: int) -> Indices:
        length = len(self._pools[kind])
        positions = np.arange(start, start + size)
        epochs = positions // length
        orders = {int(epoch): self._order(kind, int(epoch)) for epoch in np.unique(epochs)}
        return np.concatenate([order[positions[epochs == epoch] % length] for epoch, order in orders.items()])

    def _order(self, kind: SampleKind, epoch: int) -> Indices:
        key = (kind, epoch)
        if key not in self._orders:
            # Steps go forward: orders of past epochs are not needed any more.
            self._orders = {old: order for old, order in self._orders.items() if old[0] != kind or old[1] == epoch - 1}
            rng = np.random.default_rng((*self._seed, 0, int(kind), epoch))
            self._orders[key] = rng.permutation(self._pools[kind])
        return self._orders[key]


def as_minibatch(batch: SampleBatch, indices: Indices, coding: BoxCoding) -> Minibatch:
    """Make tensors of samples; landmarks ``(n, 5, 2)`` become five x, then five y."""
    points = batch.landmarks.transpose(0, 2, 1).reshape(len(batch.landmarks), 10)
    targets = Targets(
        torch.from_numpy(batch.kinds.astype(np.int64)),
        box_targets(torch.from_numpy(np.ascontiguousarray(batch.boxes, np.float32)), coding),
        torch.from_numpy(np.ascontiguousarray(points, np.float32)),
    )
    return Minibatch(indices, torch.from_numpy(np.ascontiguousarray(batch.images)), targets)


def network_input(images: Tensor) -> Tensor:
    """Turn uint8 ``(n, S, S, 3)`` into what a network sees: float32 ``(n, 3, S, S)``, normalised as at detection."""
    return (images.permute(0, 3, 1, 2).float() - 127.5) * 0.0078125


def training_batches(
    samples: SampleSet,
    sampler: Sampler,
    steps: range,
    group: ProcessGroup,
    options: TrainOptions,
    seed: tuple[int, ...],
) -> Generator[Minibatch, None, None]:
    """Yield this process's part of each step's minibatch, made by a thread while the network is at the one before.

    Parameters
    ----------
    samples : SampleSet
    sampler : Sampler
    steps : range
        The numbers of the steps.
    group : ProcessGroup
    options : TrainOptions
        For augmentation and the coding of boxes.
    seed : tuple of int
        Of the augmentation.

    Yields
    ------
    Minibatch
    """

    def load(step: int) -> Minibatch:
        whole = sampler.indices(step)
        part = group.part(len(whole))
        batch = samples.take(whole[part])
        if options.augment:
            batch = augment(batch, draw(len(whole), (*seed, step))[part], options.augmentation)
        return as_minibatch(batch, whole[part], options.box_coding)

    with ThreadPoolExecutor(1, "mtcnn-fast-batches") as thread:
        pending = [thread.submit(load, step) for step in steps[:2]]
        for step in steps:
            minibatch = pending.pop(0).result()
            if step + 2 in steps:
                pending.append(thread.submit(load, step + 2))
            yield minibatch


def ordered_batches(samples: SampleSet, indices: Indices, size: int, coding: BoxCoding) -> Iterator[Minibatch]:
    """Yield the samples at `indices` in that order, in minibatches of `size`, unchanged."""
    for start in range(0, len(indices), size):
        chosen = indices[start : start + size]
        yield as_minibatch(samples.take(chosen), chosen, coding)
