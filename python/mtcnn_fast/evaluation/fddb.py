"""FDDB: discrete and continuous ROC by the official evaluation.

Jain and Learned-Miller, "FDDB: A Benchmark for Face Detection in Unconstrained Settings", 2010, and its evaluation
tool. At each score that occurs in an image, the detections with at least that score are assigned to the annotated
ellipses so that the sum of overlaps (intersection over union, in pixels) is the greatest. A pair without overlap is no
pair: a face or a detection that touches nothing takes no part. The discrete score of a pair is 1 where its overlap is
above 0.5, the continuous score is the overlap itself; a false positive is a detection without a discrete score of 1, on
both curves. Images add up: at any threshold each contributes its count at its own lowest score that reaches it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.fddb import SIDE, FddbImage, Roc
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation.ellipses import ellipse_runs, overlap
from mtcnn_fast.optional import require

FULL_IMAGES = 2845

#: Numbers of false positives at which rates are tabulated.
OPERATING_POINTS = (10, 50, 100, 200, 500, 1000)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FddbResult:
    """The two curves of a detector on a set of images.

    Attributes
    ----------
    discrete, continuous : Roc
    images, faces, of_images : int
        Images scored, faces in them, images in the annotation.
    folds : dict of int to dict
        For each fold its number of images and faces, and its true-positive rate and false positives at the score at
        which all folds together have at most 100 false positives.
    """

    discrete: Roc
    continuous: Roc
    images: int
    faces: int
    of_images: int
    folds: dict[int, dict[str, float]]

    @property
    def is_subset(self) -> bool:
        """Whether this is less than all of FDDB, so that no published figure compares with it."""
        return self.images < FULL_IMAGES

    @property
    def label(self) -> str:
        """What was scored, in words."""
        return f"{'subset of FDDB' if self.is_subset else 'FDDB'}: {self.images:,} images, {self.faces:,} faces"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain objects."""
        most = float(self.discrete.false_positives[-1]) if len(self.discrete.false_positives) else 0.0
        points = [point for point in OPERATING_POINTS if point <= most] or [int(most)]
        return {
            "label": self.label,
            "subset": self.is_subset,
            "images": self.images,
            "of_images": self.of_images,
            "faces": self.faces,
            "false_positives": int(most),
            "discrete": {str(point): float(self.discrete.at(point)) for point in points},
            "continuous": {str(point): float(self.continuous.at(point)) for point in points},
            "folds": {str(fold): figures for fold, figures in self.folds.items()},
        }


def score_fddb(
    images: Sequence[FddbImage],
    detections: Mapping[str, Detections],
    *,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    of_images: int | None = None,
) -> FddbResult:
    """Score detections by the official evaluation.

    Parameters
    ----------
    images : sequence of FddbImage
        The images to score.
    detections : mapping of str to Detections
        What was found, by name, in any order within an image.
    sizes : mapping of str to (width, height), or None
        Sizes of the images, as pixels outside do not count. Where one is missing the image is taken for 450 pixels
        wide and high, which every FDDB image fits into; faces cut by the edge of a smaller one then count too large.
    of_images : int or None
        Images in the annotation that `images` were taken from; by default as many.

    Returns
    -------
    FddbResult

    Raises
    ------
    DataError
        If an image has no entry in `detections`, or there is no image or no face.
    MissingExtraError
        If scipy is not installed.
    """
    missing = [image.name for image in images if image.name not in detections]
    if missing:
        raise DataError(f"there are no detections for {len(missing)} of {len(images)} images, such as {missing[0]!r}")
    faces = sum(len(image.ellipses) for image in images)
    if not faces:
        raise DataError("there is no annotated face to score")
    # Columns: score, then what changes there: faces found, sum of overlaps, false positives; and the image.
    steps = [
        (*step, i)
        for i, image in enumerate(images)
        for step in _steps(image, detections[image.name], (sizes or {}).get(image.name, (SIDE, SIDE)))
    ]
    table = np.array(steps, np.float64).reshape(-1, 5)
    thresholds, index = np.unique(-table[:, 0], return_inverse=True)
    totals = np.zeros((len(thresholds), 3))
    np.add.at(totals, index, table[:, 1:4])
    found, shared, wrong = totals.cumsum(axis=0).T
    thresholds = -thresholds
    discrete = Roc(found / faces, wrong, thresholds)
    few = thresholds[wrong <= 100]
    folds = _by_fold(images, table, float(few[-1]) if len(few) else np.inf)
    return FddbResult(
        discrete, Roc(shared / faces, wrong, thresholds), len(images), faces, of_images or len(images), folds
    )


def _steps(image: FddbImage, found: Detections, size: tuple[int, int]) -> Iterator[tuple[float, float, float, float]]:
    """Yield each score of an image, highest first, with the change of found faces, overlaps and false positives."""
    found = found.by_score()
    overlaps = np.zeros((len(image.ellipses), len(found)))
    for i, ellipse in enumerate(image.ellipses):
        overlaps[i] = overlap(ellipse_runs(ellipse, size), found.boxes, size)
    before = np.zeros(3)
    for score in np.unique(found.scores)[::-1]:
        count = int(np.sum(found.scores >= score))
        pairs = _assign(overlaps[:, :count])
        hits = float(np.sum(pairs > 0.5))
        now = np.array([hits, float(pairs.sum()), count - hits])
        change = now - before
        yield float(score), float(change[0]), float(change[1]), float(change[2])
        before = now


def _assign(overlaps: Doubles) -> Doubles:
    """Return the overlaps of the pairs whose sum is the greatest."""
    if not overlaps.size:
        return np.empty(0)
    # Most images have one face or one detection, which needs no assignment.
    if 1 in overlaps.shape:
        return np.array([overlaps.max()])
    rows, columns = require("scipy.optimize", "matching detections with faces").linear_sum_assignment(
        overlaps, maximize=True
    )
    return np.asarray(overlaps[rows, columns])


def _by_fold(images: Sequence[FddbImage], table: Doubles, threshold: float) -> dict[int, dict[str, float]]:
    owner = np.array([image.fold for image in images])
    folds = owner[table[:, 4].astype(np.intp)]
    result = {}
    for fold in np.unique(owner).tolist():
        members = [image for image in images if image.fold == fold]
        faces = sum(len(image.ellipses) for image in members)
        rows = table[(folds == fold) & (table[:, 0] >= threshold)]
        result[fold] = {
            "images": len(members),
            "faces": faces,
            "true_positive_rate": float(rows[:, 1].sum()) / faces if faces else 0.0,
            "false_positives": float(rows[:, 3].sum()),
        }
    return result
