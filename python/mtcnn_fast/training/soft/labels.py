"""Labels of windows: the annotated face that each overlaps most, by how much, and which windows say nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtcnn_fast._types import Bools, Doubles, Floats, Indices
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.training.samples.geometry import extents

#: Windows of less overlap show background.
BACKGROUND_BELOW = 0.3

#: A window with at most this overlap with a usable face says nothing if it covers a face that is not usable.
_LEAST_CERTAIN = 0.4
_MOST_IGNORED_IOU = 0.3
_MOST_IGNORED_SHARE = 0.5


class Labels(NamedTuple):
    """What windows show.

    Attributes
    ----------
    overlap : (n,) float32
        IoU of what a window shows with the nearest usable face; 0 without one.
    face : (n,) int64
        That face's place in the record; -1 where the overlap is 0.
    certain : (n,) bool
        False where the window shows a face that is ignored or too small.
    """

    overlap: Floats
    face: Indices
    certain: Bools

    def take(self, chosen: Indices) -> Labels:
        """Return the labels of some windows, by their indices."""
        return Labels(self.overlap[chosen], self.face[chosen], self.certain[chosen])

    def followed_by(self, other: Labels) -> Labels:
        """Return these labels, then those of other windows of the same image."""
        return Labels(
            np.concatenate([self.overlap, other.overlap]),
            np.concatenate([self.face, other.face]),
            np.concatenate([self.certain, other.certain]),
        )


def label_windows(record: FaceRecord, corners: Floats, min_face: float) -> Labels:
    """Label windows of an image.

    Parameters
    ----------
    record : FaceRecord
    corners : (n, 4) float32
        See `mtcnn_fast.training.samples.geometry`.
    min_face : float
        Shorter side in pixels of the smallest face to learn from. Smaller faces are neither faces nor background.

    Returns
    -------
    Labels
    """
    shown, boxes = extents(corners), record.boxes.astype(np.float64)
    usable = record.usable & ((boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= min_face)
    overlap, face = np.zeros(len(shown), np.float32), np.full(len(shown), -1, np.int64)
    certain = np.asarray((shown[:, 2:] > shown[:, :2]).all(axis=1))
    if usable.any() and len(shown):
        places = np.flatnonzero(usable)
        iou = iou_matrix(shown, boxes[places], inclusive=False)
        best = iou.argmax(axis=1)
        overlap = iou[np.arange(len(shown)), best].astype(np.float32)
        face = np.where(overlap > 0, places[best], -1)
    if not usable.all() and len(shown):
        iou = iou_matrix(shown, boxes[~usable], inclusive=False).max(axis=1)
        covered = _covered_share(shown, boxes[record.ignored]) if record.usable.size else np.zeros(len(shown))
        says_nothing = (iou > _MOST_IGNORED_IOU) | (covered > _MOST_IGNORED_SHARE)
        certain &= ~(says_nothing & (overlap < _LEAST_CERTAIN))
    return Labels(overlap, face, certain)


def _covered_share(shown: Doubles, boxes: Doubles) -> Doubles:
    """Return the largest share of each window that one box covers."""
    if not len(boxes):
        return np.zeros(len(shown))
    low = np.maximum(shown[:, None, :2], boxes[None, :, :2])
    high = np.minimum(shown[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2).max(axis=1)
    # A pixel at least, for windows that show nothing.
    return np.asarray(shared / np.maximum(np.prod(shown[:, 2:] - shown[:, :2], axis=1), 1))
