"""`WindowSet`: windows that the cascade proposes, with the face nearest to each, in memory-mapped files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import AnyArray, Floats, Indices, Pixels
from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.training.samples import shards


class Windows(NamedTuple):
    """Windows, a row each.

    Attributes
    ----------
    images : (n, S, S, 3) uint8
        RGB.
    corners : (n, 4) float32
        Of the window in its image, see `mtcnn_fast.training.samples.geometry`.
    faces : (n, 4) float32
        The nearest face's annotated box, xyxy in pixels of the image; NaN without one.
    points : (n, 5, 2) float32
        That face's landmarks in pixels of the image; NaN where unknown.
    overlap : (n,) float32
        IoU with that face; -1 where the image is not annotated completely, so that nothing is known of the window but
        the landmarks.
    score : (n,) float32
        Of the stage that proposed the window; -1 for windows drawn around a face.
    image : (n,) int64
        Place of the image among the records.
    face : (n,) int64
        Place of the face in its record; -1 without one.
    """

    images: Pixels
    corners: Floats
    faces: Floats
    points: Floats
    overlap: Floats
    score: Floats
    image: Indices
    face: Indices


class WindowSet:
    """Windows of one network, from which batches are taken by index.

    Parameters
    ----------
    images : sequence of (n, S, S, 3) uint8
        Parts, which may be memory-mapped files.
    rows : Windows
        Everything but the images, of all parts in order; its `images` are empty.

    Raises
    ------
    DataError
        If there are no windows.
    """

    def __init__(self, images: Sequence[Pixels], rows: Windows) -> None:
        if not sum(map(len, images)):
            raise DataError("there are no windows to train on")
        self.size = int(images[0].shape[1])
        self.rows = rows
        self._images = list(images)
        self._starts = np.cumsum([0, *map(len, images)])

    @classmethod
    def open(cls, folder: Path, stage: str) -> WindowSet:
        """Open the windows of a stage that `mtcnn_fast.training.soft.mining.mine` has written.

        Raises
        ------
        DataError
            If there are none, or a file is damaged.
        """
        paths = sorted(folder.glob(f"{stage}-*.safetensors"))
        if not paths:
            raise DataError(f"holds no windows of stage {stage!r}", folder)
        parts = [Windows(**shards.read_shard(path, None, verify=False)) for path in paths]
        return cls([part.images for part in parts], _joined(parts))

    @classmethod
    def concatenate(cls, sets: Sequence[WindowSet]) -> WindowSet:
        """Join sets of one size, in order; images are not copied.

        Raises
        ------
        ConfigError
            If there is none, or their sizes differ.
        """
        if len({windows.size for windows in sets}) != 1:
            raise ConfigError(f"sets must be one or more of one size, got {[windows.size for windows in sets]}")
        return cls([part for windows in sets for part in windows._images], _joined([each.rows for each in sets]))

    def subset(self, indices: Indices) -> WindowSet:
        """Return the windows at `indices` (m,) as a set with images of its own, in memory."""
        taken = self.take(indices)
        return WindowSet([taken.images], taken._replace(images=taken.images[:0]))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def images_on(self, device: torch.device) -> Tensor:
        """Return a copy of all images ``(n, S, S, 3)`` on a device of torch."""
        whole = torch.empty((len(self), self.size, self.size, 3), dtype=torch.uint8, device=device)
        for start, part in zip(self._starts.tolist(), self._images, strict=False):
            whole[start : start + len(part)] = torch.from_numpy(np.array(part))
        return whole

    def described(self, indices: Indices) -> Windows:
        """Return the windows at `indices` (m,), in that order, without their images."""
        columns: list[AnyArray] = [column[indices] for column in self.rows[1:]]
        return Windows(self.rows.images, *columns)

    def take(self, indices: Indices) -> Windows:
        """Return copies of the windows at `indices` (m,), in that order."""
        images = np.empty((len(indices), self.size, self.size, 3), np.uint8)
        parts = np.searchsorted(self._starts, indices, "right") - 1
        for place, (part, index) in enumerate(zip(parts.tolist(), indices.tolist(), strict=True)):
            images[place] = self._images[part][index - self._starts[part]]
        return self.described(indices)._replace(images=images)


def _joined(parts: Sequence[Windows]) -> Windows:
    columns: list[AnyArray] = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
    return Windows(parts[0].images[:0], *columns)
