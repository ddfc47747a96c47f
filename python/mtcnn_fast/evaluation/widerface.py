"""WIDER FACE: average precision by the official protocol.

The protocol is that of the evaluation tools published with the data set (wider_eval, 2017): scores are scaled to 0…1
over the whole set; within an image, detections are visited from the highest score down, each looks only at the face
that it overlaps most; with an overlap of at least 0.5 it finds that face, or is taken out of the count where the face
is not in the sub-set; a second detection of a face is a false one; precision and recall are read at 1000 equally spaced
thresholds; average precision is the area under the envelope. Boxes are one pixel wider than ``x2 - x1`` when they are
compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import Bools, Doubles
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.widerface import WiderImage
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation.curves import Curve
from mtcnn_fast.faces.overlap import iou_matrix

THRESHOLDS = 1000

#: The whole validation set; anything smaller is a subset and is labelled as one.
FULL_IMAGES = 3226


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WiderResult:
    """Precision-recall curves of a detector on a set of images.

    Attributes
    ----------
    curves : dict of str to Curve
        For each sub-set of faces.
    faces : dict of str to int
        Faces in each sub-set.
    images : int
        Images scored.
    of_images : int
        Images in the annotation.
    events : tuple of str
        Events that the scored images are from.
    """

    curves: dict[str, Curve]
    faces: dict[str, int]
    images: int
    of_images: int
    events: tuple[str, ...]

    @property
    def average_precision(self) -> dict[str, float]:
        """The area under each curve's envelope."""
        return {name: curve.area for name, curve in self.curves.items()}

    @property
    def is_subset(self) -> bool:
        """Whether this is less than the whole validation set, so that no published figure compares with it."""
        return self.images < self.of_images or self.of_images < FULL_IMAGES

    @property
    def label(self) -> str:
        """What was scored, in words."""
        faces = ", ".join(f"{count:,} {name}" for name, count in self.faces.items())
        kind = "subset of WIDER FACE val" if self.is_subset else "WIDER FACE val"
        plural = "" if len(self.events) == 1 else "s"
        return f"{kind}: {self.images:,} images of {len(self.events)} event{plural}; faces: {faces}"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain objects."""
        return {
            "label": self.label,
            "subset": self.is_subset,
            "images": self.images,
            "of_images": self.of_images,
            "events": list(self.events),
            "faces": dict(self.faces),
            "average_precision": self.average_precision,
        }


def score_widerface(
    images: Sequence[WiderImage],
    detections: Mapping[str, Detections],
    *,
    of_images: int | None = None,
    iou: float = 0.5,
) -> WiderResult:
    """Score detections by the official protocol.

    Parameters
    ----------
    images : sequence of WiderImage
        The images to score.
    detections : mapping of str to Detections
        What was found, by `WiderImage.key`, in any order within an image.
    of_images : int or None
        Images in the annotation that `images` were taken from; by default as many.
    iou : float
        Least overlap of a detection with the face that it finds.

    Returns
    -------
    WiderResult

    Raises
    ------
    DataError
        If an image has no entry in `detections`, or there is no image.
    """
    if not images:
        raise DataError("there is no image to score")
    missing = [image.key for image in images if image.key not in detections]
    if missing:
        raise DataError(f"there are no detections for {len(missing)} of {len(images)} images, such as {missing[0]!r}")
    found = [detections[image.key].by_score() for image in images]
    low, span = _score_range(found)
    names = list(images[0].subsets)
    valid: dict[str, list[Bools]] = {name: [] for name in names}
    first: dict[str, list[Bools]] = {name: [] for name in names}
    for image, boxes in zip(images, found, strict=True):
        if not len(boxes):
            continue
        best, hit = _nearest(boxes.boxes, image.boxes, iou)
        for name in names:
            counts, finds = _judge(best, hit, image.subsets[name])
            valid[name].append(counts)
            first[name].append(finds)
    scores = (np.concatenate([boxes.scores for boxes in found]) - low) / span
    faces = {name: sum(int(image.subsets[name].sum()) for image in images) for name in names}
    curves = {}
    for name in names:
        proposals, finds = _flags(valid[name]), _flags(first[name])
        curves[name] = _curve(scores[proposals], scores[finds], faces[name])
    events = tuple(dict.fromkeys(image.event for image in images))
    return WiderResult(curves, faces, len(images), of_images or len(images), events)


def _score_range(found: Sequence[Detections]) -> tuple[float, float]:
    scores = np.concatenate([boxes.scores for boxes in found])
    if not len(scores):
        return 0.0, 1.0
    low, high = float(scores.min()), float(scores.max())
    # Where all scores are equal nothing can be scaled: every detection then counts from the first threshold on.
    return (low, high - low) if high > low else (high - 1.0, 1.0)


def _flags(parts: Sequence[Bools]) -> Bools:
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _nearest(boxes: Doubles, faces: Doubles, iou: float) -> tuple[np.ndarray[Any, np.dtype[np.intp]], Bools]:
    """Return for each detection the face that it overlaps most, and whether that is enough."""
    if not len(faces):
        return np.zeros(len(boxes), np.intp), np.zeros(len(boxes), np.bool_)
    overlap = iou_matrix(boxes, faces, inclusive=True)
    best = overlap.argmax(axis=1)
    return best, overlap[np.arange(len(boxes)), best] >= iou


def _judge(best: np.ndarray[Any, np.dtype[np.intp]], hit: Bools, wanted: Bools) -> tuple[Bools, Bools]:
    """Tell which detections count at all, and which are the first to find a wanted face."""
    if not len(wanted):
        return np.ones(len(best), np.bool_), np.zeros(len(best), np.bool_)
    on_wanted = hit & wanted[best]
    finds = np.zeros(len(best), np.bool_)
    candidates = np.flatnonzero(on_wanted)
    finds[candidates[np.unique(best[candidates], return_index=True)[1]]] = True
    return ~hit | wanted[best], finds


def _curve(proposals: Doubles, finds: Doubles, faces: int) -> Curve:
    """Read precision and recall at the thresholds ``1 - t / 1000``, t = 1 … 1000."""
    thresholds = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS
    count = _at_least(proposals, thresholds)
    right = _at_least(finds, thresholds)
    precision = np.divide(right, count, out=np.zeros(THRESHOLDS), where=count > 0)
    return Curve(precision, right / faces if faces else np.zeros(THRESHOLDS))


def _at_least(scores: Doubles, thresholds: Doubles) -> Doubles:
    ordered = np.sort(scores)
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")).astype(np.float64)
