"""Samples on a device, and what augmentation makes of them there, without a wait for the processor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Indices
from mtcnn_fast.training.ablations.stacked_networks import CHANNELS
from mtcnn_fast.training.batches import network_input
from mtcnn_fast.training.losses import Targets
from mtcnn_fast.training.samples.augment import DRAWS, GRAY, LUMA, SWAPPED, AugmentOptions
from mtcnn_fast.training.samples.geometry import Stage, box_targets, landmark_targets, mirrors
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.samples.windows import NEGATIVE_BELOW, NOTHING, PART_FROM, POSITIVE_ABOVE
from mtcnn_fast.training.soft.window_set import Windows


def samples_of(windows: Windows, stage: Stage = "o") -> tuple[SampleBatch, Indices]:
    """Tell the paper's kinds of samples among a network's windows, by their overlap.

    Landmark faces are the windows of which the landmarks alone are known. Windows between the kinds are left out.

    Returns
    -------
    (SampleBatch, ndarray of int64)
        The samples, and which windows they are.
    """
    overlap = windows.overlap
    marked = np.asarray(np.isfinite(windows.points).all(axis=(1, 2)))
    boxed = np.asarray(np.isfinite(windows.faces).all(axis=1))
    kinds = np.full(len(overlap), NOTHING, np.int8)
    kinds[(overlap >= 0) & (overlap < NEGATIVE_BELOW)] = SampleKind.NEGATIVE
    kinds[(overlap >= PART_FROM) & boxed] = SampleKind.PART
    kinds[(overlap > POSITIVE_ABOVE) & boxed] = SampleKind.POSITIVE
    kinds[(overlap < 0) & marked] = SampleKind.LANDMARK
    chosen = np.flatnonzero(kinds != NOTHING)
    kinds, corners = kinds[chosen], windows.corners[chosen]
    with_box = np.isin(kinds, (SampleKind.POSITIVE, SampleKind.PART))
    with_points = kinds == SampleKind.LANDMARK
    boxes = box_targets(stage, corners, windows.faces[chosen].astype(np.float64))
    points = landmark_targets(stage, corners, windows.points[chosen].astype(np.float64))
    boxes[~with_box], points[~with_points] = 0, 0
    return SampleBatch(windows.images[chosen], kinds, boxes, points, mirrors(stage, corners)), chosen


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
    luma = sum(share * values[..., place] for place, share in enumerate(LUMA.tolist()))
    assert isinstance(luma, Tensor)
    values = torch.where(gray[:, None, None, None], luma[..., None], values)
    gain = torch.where(gray[:, None], contrast[:, None], gain)
    offset = shift + float(GRAY) * (1 - contrast)
    values = values * gain[:, None, None, :] + offset[:, None, None, None]
    return values.round_().clamp_(0, 255)


def normalised(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Do as `network_input`, for what `StackedONets` take: images ``(n, 48, 48, 3)`` become ``(n, 48, 48, 4)``."""
    values = network_input(images).permute(0, 2, 3, 1)
    return torch.nn.functional.pad(values, (0, CHANNELS - 3)).to(dtype)


def drawn(steps: range, batch_size: int, seed: int) -> Tensor:
    """Draw the random numbers ``(len(steps), batch_size, DRAWS)`` of the augmentation of some steps."""
    rng = np.random.default_rng((seed, 3, steps.start))
    return torch.from_numpy(rng.random((len(steps), batch_size, DRAWS), np.float32))
