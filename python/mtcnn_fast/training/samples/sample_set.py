"""`SampleSet`: windows of images with what a network should say of each, in memory or on disk."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Indices, Pixels
from mtcnn_fast.errors import ConfigError


class SampleKind(enum.IntEnum):
    """What a sample is an example of, and so which losses it takes part in.

    ``NEGATIVE`` and ``POSITIVE`` take part in the detection loss, ``POSITIVE`` and ``PART`` in that of boxes,
    ``LANDMARK`` in that of landmarks alone (Zhang et al. 2016, section III).
    """

    NEGATIVE = 0
    POSITIVE = 1
    PART = 2
    LANDMARK = 3


class SampleBatch(NamedTuple):
    """Samples, a row each.

    Attributes
    ----------
    images : (n, S, S, 3) uint8
        RGB.
    kinds : (n,) int8
        `SampleKind` of each.
    boxes : (n, 4) float32
        Offsets of the face's corners ``x1, y1, x2, y2`` from the window's in units of the window: what the network is
        to put out with ``box_coding="corner"``, so that the detector's own decoding gives the annotated box. Zero for
        kinds other than ``POSITIVE`` and ``PART``.
    landmarks : (n, 5, 2) float32
        x and y of each landmark in units of the window, from its upper left corner, as the detector decodes them. Zero
        for kinds other than ``LANDMARK``.
    mirror : (n,) float32
        What a mirrored window's offsets add up to with the unmirrored ones: ``x1`` becomes ``mirror - x2`` and ``x2``
        becomes ``mirror - x1``. Not zero, because the detector counts pixels from 1 where annotations count from 0, and
        because P-Net's windows are decoded from a corner inside of them.
    """

    images: Pixels
    kinds: npt.NDArray[np.int8]
    boxes: Floats
    landmarks: Floats
    mirror: Floats


class SampleSet:
    """Samples of one network, from which batches are taken by index.

    Made by `from_arrays`, `open`, `concatenate` or `mtcnn_fast.training.samples.make_samples`. Images stay in their
    memory-mapped files until they are taken.

    Attributes
    ----------
    size : int
        Side of the windows in pixels: 12, 24 or 48.
    """

    def __init__(self, images: Sequence[Pixels], rows: SampleBatch, part_of: Indices, row_of: Indices) -> None:
        self.size = int(images[0].shape[1])
        self._images = list(images)
        # Everything but the images; `images` of it is empty.
        self._rows = rows
        self._part_of = part_of
        self._row_of = row_of

    @classmethod
    def from_arrays(
        cls,
        images: npt.ArrayLike,
        kinds: npt.ArrayLike,
        boxes: npt.ArrayLike,
        landmarks: npt.ArrayLike,
        mirror: npt.ArrayLike | None = None,
    ) -> SampleSet:
        """Make a set of arrays in memory, of the shapes in `SampleBatch`; without `mirror`, it is zero.

        Raises
        ------
        ConfigError
            If an array is of another shape or type, or a kind is unknown.
        """
        pixels = np.asarray(images)
        if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[1] != pixels.shape[2] or pixels.shape[3] != 3:
            raise ConfigError(f"images must be (n, S, S, 3) uint8, got {pixels.shape} {pixels.dtype}")
        count = len(pixels)
        names = _checked("kinds", kinds, (count,), np.int8)
        unknown = ~np.isin(names, [int(kind) for kind in SampleKind])
        if unknown.any():
            raise ConfigError(f"kinds must be of SampleKind (0 to 3), got {names[unknown][0]}")
        rows = SampleBatch(
            pixels[:0],
            names,
            _checked("boxes", boxes, (count, 4), np.float32),
            _checked("landmarks", landmarks, (count, 5, 2), np.float32),
            np.zeros(count, np.float32) if mirror is None else _checked("mirror", mirror, (count,), np.float32),
        )
        return cls([pixels], rows, np.zeros(count, np.int64), np.arange(count, dtype=np.int64))

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, verify: bool = True) -> SampleSet:
        """Open a set that `make_samples` has finished.

        Parameters
        ----------
        directory : path-like or str
        verify : bool
            Whether to compare the checksums of all shards, which reads them once.

        Raises
        ------
        DataError
            If the set is not complete, or a shard is damaged.
        """
        from mtcnn_fast.training.samples.shards import open_set

        return cls.concatenate([cls.from_arrays(*shard) for shard in open_set(directory, verify=verify)])

    @classmethod
    def concatenate(cls, sets: Sequence[SampleSet]) -> SampleSet:
        """Join sets of one size, in order; images are not copied.

        Raises
        ------
        ConfigError
            If there is none, or their sizes differ.
        """
        sizes = {samples.size for samples in sets}
        if len(sizes) != 1:
            raise ConfigError(f"sets must be one or more of one size, got {sorted(sizes)}")
        images: list[Pixels] = []
        parts = []
        for samples in sets:
            parts.append(samples._part_of + len(images))
            images += samples._images
        rows = SampleBatch(
            *(np.concatenate(arrays) for arrays in zip(*(samples._rows for samples in sets), strict=True))
        )
        return cls(images, rows, np.concatenate(parts), np.concatenate([samples._row_of for samples in sets]))

    def subset(self, indices: npt.ArrayLike) -> SampleSet:
        """Return the samples at `indices` (m,), in that order, as a set that shares the images.

        Raises
        ------
        ConfigError
            If an index is out of range.
        """
        chosen = self._checked_indices(indices)
        rows = _choose(self._rows, chosen, self._rows.images)
        return SampleSet(self._images, rows, self._part_of[chosen], self._row_of[chosen])

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def kinds(self) -> npt.NDArray[np.int8]:
        """`SampleKind` of each sample ``(n,)``."""
        return self._rows.kinds

    @property
    def counts(self) -> dict[SampleKind, int]:
        """How many samples there are of each kind."""
        return {kind: int(np.count_nonzero(self.kinds == kind)) for kind in SampleKind}

    def indices_of(self, kind: SampleKind) -> Indices:
        """Return the indices ``(m,)`` of the samples of a kind, ascending."""
        return np.flatnonzero(self.kinds == kind).astype(np.int64)

    def take(self, indices: npt.ArrayLike) -> SampleBatch:
        """Return copies of the samples at `indices` (m,), in that order; repeated indices are allowed.

        Raises
        ------
        ConfigError
            If an index is out of range.
        """
        chosen = self._checked_indices(indices)
        images = np.empty((len(chosen), self.size, self.size, 3), np.uint8)
        part_of = self._part_of[chosen]
        for part in np.unique(part_of):
            places = np.flatnonzero(part_of == part)
            images[places] = self._images[part][self._row_of[chosen[places]]]
        return _choose(self._rows, chosen, images)

    def _checked_indices(self, indices: npt.ArrayLike) -> Indices:
        chosen = np.asarray(indices)
        if chosen.size == 0:
            return np.empty(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= len(self):
            raise ConfigError(f"indices must be whole numbers (m,) from 0 to {len(self) - 1}, got {chosen!r}")
        return chosen.astype(np.int64)


def _choose(rows: SampleBatch, chosen: Indices, images: Pixels) -> SampleBatch:
    return SampleBatch(images, rows.kinds[chosen], rows.boxes[chosen], rows.landmarks[chosen], rows.mirror[chosen])


def _checked(name: str, value: npt.ArrayLike, shape: tuple[int, ...], dtype: type[Any]) -> npt.NDArray[Any]:
    array = np.asarray(value)
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise ConfigError(f"{name} must be numbers of shape {shape}, got {array.shape} {array.dtype}")
    converted = array.astype(dtype, copy=False)
    if not np.isfinite(converted).all():
        raise ConfigError(f"{name} must be finite numbers")
    return converted
