"""Sample sets and small networks for the tests of training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.samples import SampleKind, SampleSet


def make_set(count: int, size: int = 12, seed: int = 0) -> SampleSet:
    """Samples that can be learned: a face is a bright square, whose corners and points are the targets.

    There are `count` parts, as many positives, and negatives and landmark faces in the usual ratio.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat([0, 1, 2, 3], [3 * count, count, count, 2 * count])).astype(np.int8)
    n = len(kinds)
    images = rng.integers(0, 120, (n, size, size, 3)).astype(np.uint8)
    offsets = rng.uniform(-0.15, 0.15, (n, 4))
    corners = np.rint(np.array([0.25, 0.25, 0.75, 0.75]) * size + offsets * size / 2).astype(int)
    for image, kind, (x1, y1, x2, y2) in zip(images, kinds, corners, strict=True):
        if kind != SampleKind.NEGATIVE:
            image[y1:y2, x1:x2] = 230
    boxes = np.where(np.isin(kinds, [1, 2])[:, None], offsets, 0).astype(np.float32)
    points = np.stack([corners[:, [0, 1]], corners[:, [2, 1]], corners[:, :2], corners[:, [0, 3]], corners[:, 2:]], 1)
    landmarks = np.where((kinds == 3)[:, None, None], points / size, 0).astype(np.float32)
    return SampleSet.from_arrays(images, kinds, boxes, landmarks)


class TinyNetwork(nn.Module):
    """A linear map from pixels to all heads, quick enough for hundreds of steps."""

    def __init__(self, size: int = 12, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden = nn.Linear(3 * size * size, 16)
            self.heads = nn.Linear(16, 16)

    def forward(self, images: torch.Tensor) -> Outputs:
        values = self.heads(torch.tanh(self.hidden(images.flatten(1))))
        return Outputs(values[:, :2], values[:, 2:6], values[:, 6:])

    def box_weights(self) -> list[torch.Tensor]:
        return [self.heads.weight[2:6]]
