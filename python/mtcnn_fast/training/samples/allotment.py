"""How many samples each image and each face is to give, so that the kinds come out in their ratio."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Indices
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.samples.sample_set import SampleKind
from mtcnn_fast.training.samples.windows import AnnotatedFaces

#: Kinds that are cut around a face.
OF_FACES = (SampleKind.POSITIVE, SampleKind.PART, SampleKind.LANDMARK)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Quota:
    """What one image is to give.

    Attributes
    ----------
    negatives : int
    of_faces : dict of SampleKind to (N,) int64
        For each of the kinds in `OF_FACES`, how many of each of the record's faces.
    """

    negatives: int
    of_faces: dict[SampleKind, Indices]


def allot(records: Sequence[FaceRecord], options: SampleOptions) -> list[Quota]:
    """Divide `SampleOptions.total` among images and faces as evenly as whole numbers allow.

    Negatives, positives and parts come from the images all of whose faces are annotated, landmark samples from every
    face that has landmarks.
    """
    targets = options.targets()
    faces = [AnnotatedFaces(record, options.min_face).learnable for record in records]
    masks = {
        SampleKind.POSITIVE: [mask & record.complete for mask, record in zip(faces, records, strict=True)],
        SampleKind.LANDMARK: [mask & record.has_landmarks for mask, record in zip(faces, records, strict=True)],
    }
    masks[SampleKind.PART] = masks[SampleKind.POSITIVE]
    negatives = spread(targets[SampleKind.NEGATIVE], np.array([record.complete for record in records], np.bool_))
    borders = np.cumsum([len(record) for record in records])[:-1]
    shares = {kind: np.split(spread(targets[kind], np.concatenate(masks[kind])), borders) for kind in OF_FACES}
    return [Quota(int(negatives[i]), {kind: shares[kind][i] for kind in OF_FACES}) for i in range(len(records))]


def spread(total: int, among: npt.NDArray[np.bool_]) -> Indices:
    """Divide a number evenly among the true places of `among` (N,); the others get 0."""
    counts = np.zeros(len(among), np.int64)
    places = np.flatnonzero(among)
    if len(places):
        borders = np.arange(len(places) + 1, dtype=np.int64) * total // len(places)
        counts[places] = np.diff(borders)
    return counts


def level(available: Indices, total: int) -> Indices:
    """Choose how much to take of what each image has, so that it adds up to `total` and the most any gives is least.

    Parameters
    ----------
    available : (N,) int64
    total : int
        All is taken where that is less.

    Returns
    -------
    taken : (N,) int64
    """
    ordered = np.sort(available)
    # If the limit is `ordered[i]`, so much is taken.
    sums = np.cumsum(ordered) + ordered * np.arange(len(ordered) - 1, -1, -1)
    above = np.flatnonzero(sums > total)
    if not len(above):
        return available.copy()
    first = int(above[0])
    below = int(ordered[:first].sum())
    limit, rest = divmod(total - below, len(ordered) - first)
    taken = np.minimum(available, limit)
    more = np.flatnonzero(available > limit)[:rest]
    taken[more] += 1
    return taken
