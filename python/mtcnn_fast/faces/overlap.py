"""Overlap of boxes, as trackers and the protocols of the data sets count it."""

from __future__ import annotations

import numpy as np

from mtcnn_fast._types import Doubles


def iou_matrix(boxes: Doubles, others: Doubles, *, inclusive: bool) -> Doubles:
    """Intersection over union of every box with every other box.

    Parameters
    ----------
    boxes : (N, 4) float64
        Corners ``x1, y1, x2, y2``.
    others : (M, 4) float64
        Likewise.
    inclusive : bool
        Whether both corners are pixels of the box, so that it is ``x2 - x1 + 1`` wide. The evaluation tools of
        WIDER FACE and PASCAL VOC count this way.

    Returns
    -------
    iou : (N, M) float64
        Zero where a union has no area.
    """
    extra = float(inclusive)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low + extra, 0), axis=2)
    union = _areas(boxes, extra)[:, None] + _areas(others, extra)[None, :] - shared
    iou: Doubles = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def _areas(boxes: Doubles, extra: float) -> Doubles:
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2] + extra, 0), axis=1))
