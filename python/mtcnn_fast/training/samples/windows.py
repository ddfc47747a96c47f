"""Windows of an image and the kind of sample that each is, by its overlap with the annotated faces.

By intersection over union with the nearest face: below 0.3 a negative, above 0.65 a positive, from 0.4 to 0.65 a part
(Zhang et al. 2016, section III; `docs/semantics.md`, "Training"). In between, a window is nothing.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles, Floats, Indices
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.training.samples.geometry import extents
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.samples.sample_set import SampleKind

NEGATIVE_BELOW = 0.3
PART_FROM = 0.4
POSITIVE_ABOVE = 0.65

#: Kind of a window that is an example of nothing.
NOTHING = -1

#: A window of which so much is covered by ignored faces is no negative.
_MOST_IGNORED = 0.3

_SMALLEST_NEGATIVE = 12


class AnnotatedFaces:
    """The annotated faces of an image as windows are compared with them.

    Parameters
    ----------
    record : FaceRecord
    min_face : float
        See `SampleOptions`.

    Attributes
    ----------
    boxes : (N, 4) float64
        All of the record's.
    learnable : (N,) bool
        Those that are not ignored and large enough.
    """

    def __init__(self, record: FaceRecord, min_face: float) -> None:
        self.boxes: Doubles = record.boxes.astype(np.float64)
        self._usable = record.usable
        large = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1, initial=0) >= min_face
        self.learnable = self._usable & large

    @property
    def usable(self) -> Doubles:
        """The boxes ``(M, 4)`` of the faces that are not ignored, however small."""
        return self.boxes[self._usable]

    def classify(self, corners: Floats) -> tuple[Indices, Indices]:
        """Tell what windows are examples of.

        Parameters
        ----------
        corners : (M, 4) float32
            See `mtcnn_fast.training.samples.geometry`.

        Returns
        -------
        kinds : (M,) int64
            `SampleKind` ``NEGATIVE``, ``POSITIVE`` or ``PART``, or `NOTHING`.
        nearest : (M,) int64
            The face that each overlaps most; -1 where it overlaps none.
        """
        shown = extents(corners)
        kinds = np.full(len(shown), int(SampleKind.NEGATIVE), np.int64)
        nearest = np.full(len(shown), -1, np.int64)
        usable = np.flatnonzero(self._usable)
        if len(usable):
            iou = iou_matrix(shown, self.boxes[usable], inclusive=False)
            best = iou.argmax(axis=1)
            overlap = iou[np.arange(len(shown)), best]
            nearest = np.where(overlap > 0, usable[best], -1)
            learnable = self.learnable[usable[best]]
            kinds[overlap >= NEGATIVE_BELOW] = NOTHING
            kinds[(overlap >= PART_FROM) & (overlap <= POSITIVE_ABOVE) & learnable] = SampleKind.PART
            kinds[(overlap > POSITIVE_ABOVE) & learnable] = SampleKind.POSITIVE
        negative = np.flatnonzero(kinds == SampleKind.NEGATIVE)
        kinds[negative[self._ignored_share(shown[negative]) >= _MOST_IGNORED]] = NOTHING
        # A window that shows nothing is no example of anything.
        kinds[(shown[:, 2:] <= shown[:, :2]).any(axis=1)] = NOTHING
        return kinds, nearest

    def _ignored_share(self, shown: Doubles) -> Doubles:
        """Return the largest share of each window that one ignored face covers."""
        ignored = self.boxes[~self._usable]
        if not len(ignored):
            return np.zeros(len(shown))
        low = np.maximum(shown[:, None, :2], ignored[None, :, :2])
        high = np.minimum(shown[:, None, 2:], ignored[None, :, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=2).max(axis=1)
        # A pixel at least, for windows that show nothing.
        return np.asarray(shared / np.maximum(np.prod(shown[:, 2:] - shown[:, :2], axis=1), 1))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Windows that become samples.

    Attributes
    ----------
    corners : (M, 4) float32
    kinds : (M,) int64
        `SampleKind`.
    faces : (M,) int64
        The face that each is an example of; -1 for negatives.
    """

    corners: Floats
    kinds: Indices
    faces: Indices

    @classmethod
    def none(cls) -> Chosen:
        """No windows."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def joined(cls, parts: list[Chosen]) -> Chosen:
        """Join several, ordered by kind; otherwise they keep their order."""
        parts = [cls.none(), *parts]
        corners = np.concatenate([part.corners for part in parts])
        kinds = np.concatenate([part.kinds for part in parts])
        order = np.argsort(kinds, kind="stable")
        return cls(corners[order], kinds[order], np.concatenate([part.faces for part in parts])[order])


def choose(corners: Floats, kinds: Indices, faces: Indices, wanted: dict[SampleKind, Indices]) -> Chosen:
    """Choose as many windows for each face as are wanted, the first ones first, and count them off `wanted`.

    Parameters
    ----------
    corners : (M, 4) float32
    kinds : (M,) int64
        From `AnnotatedFaces.classify`.
    faces : (M,) int64
        The face that a window is nearest to.
    wanted : dict of SampleKind to (N,) int64
        How many of ``POSITIVE``, ``PART`` and ``LANDMARK`` are still wanted for each of the image's faces; changed. A
        landmark window is one that is a positive by its overlap.
    """
    parts = []
    for kind, counts in wanted.items():
        by_overlap = SampleKind.POSITIVE if kind == SampleKind.LANDMARK else kind
        found = np.flatnonzero(kinds == by_overlap)
        found = found[_ranks(faces[found]) < counts[faces[found]]]
        counts -= np.bincount(faces[found], minlength=len(counts))
        parts.append(Chosen(corners[found], np.full(len(found), int(kind), np.int64), faces[found]))
    return Chosen.joined(parts)


def _ranks(groups: Indices) -> Indices:
    """Return the place of each element among those of its own group."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return ranks


def jittered(boxes: Doubles, count: int, options: SampleOptions, rng: np.random.Generator, *, whole: bool) -> Floats:
    """Draw square windows around boxes.

    Parameters
    ----------
    boxes : (N, 4) float64
    count : int
        Windows around each box.
    options : SampleOptions
    rng : numpy.random.Generator
    whole : bool
        Whether windows begin and end between two pixels, as P-Net's do.

    Returns
    -------
    corners : (N * count, 4) float32
        Box after box.
    """
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
    low = options.scale_jitter[0] * sides.min(axis=2)
    high = options.scale_jitter[1] * sides.max(axis=2)
    size = (low + (high - low) * rng.random((len(boxes), count)))[..., None]
    shift = options.shift_jitter * (2 * rng.random((len(boxes), count, 2)) - 1)
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + shift * sides
    return _square_windows(middle.reshape(-1, 2) - size.reshape(-1, 1) / 2, size.reshape(-1, 1), whole)


def negative_candidates(
    faces: Doubles, image_size: tuple[int, int], count: int, near: float, rng: np.random.Generator
) -> Floats:
    """Draw square windows inside an image: some near faces, the others anywhere.

    Sizes are uniform in their logarithm, from 12 pixels up to the image, as the pyramid has as many scales for an
    octave of small windows as for one of large ones. Near a face they are from a quarter to twice its size.

    Parameters
    ----------
    faces : (N, 4) float64
    image_size : (width, height)
    count : int
    near : float
        Share of windows near a face, if there is one.
    rng : numpy.random.Generator

    Returns
    -------
    corners : (M, 4) float32
        At most `count`: none if the image is too small.
    """
    width, height = image_size
    largest = min(width, height)
    if largest < _SMALLEST_NEGATIVE:
        return np.empty((0, 4), np.float32)
    size = np.exp(rng.uniform(np.log(_SMALLEST_NEGATIVE), np.log(largest), count))[:, None]
    corner = rng.random((count, 2)) * (np.array([width, height]) - np.minimum(np.rint(size), largest))
    if len(faces):
        close = np.flatnonzero(rng.random(count) < near)
        chosen = faces[rng.integers(len(faces), size=len(close))]
        sides = chosen[:, 2:] - chosen[:, :2]
        size[close] = sides.max(axis=1, keepdims=True) * np.exp(rng.uniform(np.log(0.25), np.log(2), (len(close), 1)))
        reach = (sides + size[close]) / 2 * rng.uniform(-1, 1, (len(close), 2))
        corner[close] = (chosen[:, :2] + chosen[:, 2:]) / 2 + reach - size[close] / 2
    corners = _square_windows(corner, np.maximum(size, _SMALLEST_NEGATIVE), whole=True)
    return corners[inside(corners, image_size)]


def inside(corners: Floats, image_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Tell which windows ``(N, 4)`` show nothing but the image."""
    shown = extents(corners)
    return np.asarray((shown[:, :2] >= 0).all(axis=1) & (shown[:, 2:] <= image_size).all(axis=1))


def _square_windows(corner: Doubles, size: Doubles, whole: bool) -> Floats:
    """Turn upper left corners counted from 0 and sizes into the corners that crops take."""
    if whole:
        corner, size = np.floor(corner), np.maximum(np.rint(size), 1)
    return np.concatenate([corner + 1, corner + size], axis=1).astype(np.float32)
