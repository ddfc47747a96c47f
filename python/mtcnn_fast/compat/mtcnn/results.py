"""Faces in the forms that the package mtcnn returns: rows of numbers, or dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles, Floats

#: Keypoints by their place among the landmarks, in the order of the dictionary.
KEYPOINTS = {"nose": 2, "mouth_right": 4, "right_eye": 1, "left_eye": 0, "mouth_left": 3}


def to_rows(index: int, boxes: Floats, scores: Floats, landmarks: Floats | None) -> Doubles:
    """Return the faces of image number `index` as rows.

    Parameters
    ----------
    index : int
    boxes : (n, 4) float32
        Corners in pixels.
    scores : (n,) float32
    landmarks : (n, 5, 2) float32 or None

    Returns
    -------
    rows : (n, 16) float64, or (n, 6) without landmarks
        Index, ``x1, y1, x2, y2``, score, five x and five y.
    """
    columns = [np.full(len(boxes), index), boxes, scores]
    if landmarks is not None:
        columns += [landmarks[:, :, 0], landmarks[:, :, 1]]
    return np.column_stack(columns).astype(np.float64)


def fit(rows: Doubles, width: int, height: int, with_landmarks: bool) -> Doubles:
    """Return rows whose boxes, and landmarks if asked for, lie within the pixels of an image."""
    fitted = rows.copy()
    x, y = [1, 3], [2, 4]
    if with_landmarks:
        x += range(6, 11)
        y += range(11, 16)
    columns = fitted.shape[1]
    for places, most in ((x, width - 1), (y, height - 1)):
        chosen = [place for place in places if place < columns]
        fitted[:, chosen] = fitted[:, chosen].clip(0, most)
    return fitted


def with_widths(rows: Doubles) -> Doubles:
    """Return rows with width and height in the place of ``x2, y2``."""
    changed = rows.copy()
    changed[:, 3:5] -= changed[:, 1:3]
    return changed


def to_dicts(rows: Doubles) -> list[dict[str, Any]]:
    """Return a dictionary for each row: ``box``, ``confidence`` and, where there are landmarks, ``keypoints``."""
    return [_to_dict(row) for row in rows]


def _to_dict(row: npt.NDArray[np.float64]) -> dict[str, Any]:
    numbers = np.rint(row).astype(int).tolist()
    face: dict[str, Any] = {"box": numbers[1:5], "confidence": float(row[5])}
    if len(row) > 6:
        face["keypoints"] = {name: [numbers[6 + i], numbers[11 + i]] for name, i in KEYPOINTS.items()}
    return face
