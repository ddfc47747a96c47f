"""Samples on a device, and the minibatches of networks that are trained together, without a wait for the processor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Indices
from mtcnn_fast.training.ablations.stacked_networks import CHANNELS
from mtcnn_fast.training.losses import Targets
from mtcnn_fast.training.samples.augment import DRAWS, SWAPPED, AugmentOptions
from mtcnn_fast.training.samples.geometry import box_targets, landmark_targets, mirrors
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.soft.window_set import Windows

_NEGATIVE_BELOW = 0.3
_PART_FROM = 0.4
_POSITIVE_ABOVE = 0.65

# Luma of ITU-R BT.601, as Pillow's conversion to gray.
_LUMA = (0.299, 0.587, 0.114)
_GRAY = 128


def samples_of(windows: Windows) -> tuple[SampleBatch, Indices]:
    """Tell the paper's kinds of samples among O-Net's windows, by their overlap.

    Landmark faces are the windows of which the landmarks alone are known. Windows between the kinds are left out.

    Returns
    -------
    (SampleBatch, ndarray of int64)
        The samples, and which windows they are.
    """
    overlap = windows.overlap
    marked = np.asarray(np.isfinite(windows.points).all(axis=(1, 2)))
    boxed = np.asarray(np.isfinite(windows.faces).all(axis=1))
    kinds = np.full(len(overlap), -1, np.int8)
    kinds[(overlap >= 0) & (overlap < _NEGATIVE_BELOW)] = SampleKind.NEGATIVE
    kinds[(overlap >= _PART_FROM) & boxed] = SampleKind.PART
    kinds[(overlap > _POSITIVE_ABOVE) & boxed] = SampleKind.POSITIVE
    kinds[(overlap < 0) & marked] = SampleKind.LANDMARK
    chosen = np.flatnonzero(kinds >= 0)
    kinds, corners = kinds[chosen], windows.corners[chosen]
    with_box = np.isin(kinds, (SampleKind.POSITIVE, SampleKind.PART))
    with_points = kinds == SampleKind.LANDMARK
    boxes = box_targets("o", corners, windows.faces[chosen].astype(np.float64))
    points = landmark_targets("o", corners, windows.points[chosen].astype(np.float64))
    boxes[~with_box], points[~with_points] = 0, 0
    return SampleBatch(windows.images[chosen], kinds, boxes, points, mirrors("o", corners)), chosen


class DeviceSamples(NamedTuple):
    """`SampleBatch` as tensors on a device; landmarks are ``(n, 5, 2)``."""

    images: Tensor
    kinds: Tensor
    boxes: Tensor
    landmarks: Tensor
    mirror: Tensor

    @classmethod
    def put(cls, samples: SampleBatch, device: torch.device) -> DeviceSamples:
        """Copy samples to a device."""
        arrays = samples._replace(kinds=samples.kinds.astype(np.int64))
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))

    def take(self, indices: Tensor) -> DeviceSamples:
        """Return the samples at `indices` (m,)."""
        return DeviceSamples(*(column.index_select(0, indices) for column in self))

    def targets(self) -> Targets:
        """Return what a network is to say of them."""
        return Targets(self.kinds, self.boxes, self.landmarks.transpose(1, 2).flatten(1))


def augmented(samples: DeviceSamples, draws: Tensor, options: AugmentOptions) -> DeviceSamples:
    """Do as `mtcnn_fast.training.samples.augment.augment`, with the same numbers; images become float32.

    Parameters
    ----------
    samples : DeviceSamples
    draws : Tensor of shape (n, DRAWS)
    options : AugmentOptions
    """
    which = draws[:, 0] < options.flip
    values = samples.images.float()
    values = torch.where(which[:, None, None, None], values.flip(2), values)
    x1, y1, x2, y2 = samples.boxes.unbind(1)
    flipped = torch.stack([samples.mirror - x2, y1, samples.mirror - x1, y2], dim=1)
    with_box = (samples.kinds == int(SampleKind.POSITIVE)) | (samples.kinds == int(SampleKind.PART))
    boxes = torch.where((which & with_box)[:, None], flipped, samples.boxes)
    # By parts: a list of indices would be copied from the processor.
    points = torch.stack([samples.landmarks[:, place] for place in SWAPPED], dim=1)
    points = torch.stack([1 - points[..., 0], points[..., 1]], dim=2)
    with_points = samples.kinds == int(SampleKind.LANDMARK)
    landmarks = torch.where((which & with_points)[:, None, None], points, samples.landmarks)
    return samples._replace(images=_relit(values, draws[:, 1:], options), boxes=boxes, landmarks=landmarks)


def _relit(values: Tensor, draws: Tensor, options: AugmentOptions) -> Tensor:
    signed = 2 * draws - 1
    shift = 255 * options.brightness * signed[:, 0]
    contrast = 1 + options.contrast * signed[:, 1]
    gain = contrast[:, None] * (1 + options.color * signed[:, 2:5])
    gray = draws[:, 5] < options.gray
    luma = sum(share * values[..., place] for place, share in enumerate(_LUMA))
    assert isinstance(luma, Tensor)
    values = torch.where(gray[:, None, None, None], luma[..., None], values)
    gain = torch.where(gray[:, None], contrast[:, None], gain)
    offset = shift + _GRAY * (1 - contrast)
    values = values * gain[:, None, None, :] + offset[:, None, None, None]
    return values.round_().clamp_(0, 255)


def normalised(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn images ``(..., 3)`` from 0 to 255 into what `StackedONets` take: ``(..., 4)``, as at detection."""
    values = (images.float() - 127.5) * 0.0078125
    return torch.nn.functional.pad(values, (0, CHANNELS - 3)).to(dtype)


class Order:
    """Goes through some samples in a random order, anew after each epoch.

    Parameters
    ----------
    indices : ndarray of int64
    seed : tuple of int
    """

    def __init__(self, indices: Indices, seed: tuple[int, ...]) -> None:
        self._indices = indices
        self._rng = np.random.default_rng(seed)
        self._left = indices[:0]

    def take(self, count: int) -> Indices:
        """Return the next `count`."""
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._rng.permutation(self._indices)])
        taken, self._left = self._left[:count], self._left[count:]
        return taken


class Stream:
    """The minibatches of one seed, a function of the seed and of what there is of each kind.

    Parameters
    ----------
    pools : mapping of SampleKind to ndarray of int64
        The samples to choose among.
    sizes : mapping of SampleKind to int
        How many of each a minibatch has, in this order.
    seed : int
    """

    def __init__(self, pools: Mapping[SampleKind, Indices], sizes: Mapping[SampleKind, int], seed: int) -> None:
        self.sizes = dict(sizes)
        self._seed = seed
        self._orders = {kind: Order(pools[kind], (seed, int(kind))) for kind in sizes}

    def replace(self, kind: SampleKind, indices: Indices, number: int) -> None:
        """Go on with other samples of a kind; `number` distinguishes the orders of such samples."""
        self._orders[kind] = Order(indices, (self._seed, int(kind), number))

    def take(self, steps: int) -> Indices:
        """Return the minibatches of the next steps ``(steps, batch size)``."""
        parts = [order.take(steps * self.sizes[kind]).reshape(steps, -1) for kind, order in self._orders.items()]
        return np.concatenate(parts, axis=1)


def drawn(steps: range, batch_size: int, seed: int) -> Tensor:
    """Draw the random numbers ``(len(steps), batch_size, DRAWS)`` of the augmentation of some steps."""
    rng = np.random.default_rng((seed, 3, steps.start))
    return torch.from_numpy(rng.random((len(steps), batch_size, DRAWS), np.float32))
