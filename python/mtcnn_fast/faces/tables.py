"""Faces as columns of a table, for pandas, polars, Arrow and supervision."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtcnn_fast._types import Floats, Indices
from mtcnn_fast.faces.geometry import POINTS
from mtcnn_fast.optional import require


def columns(
    boxes: Floats, scores: Floats, landmarks: Floats, image: str | None, ids: Indices | None = None
) -> dict[str, Any]:
    """Return one column for each number of a face.

    Parameters
    ----------
    boxes : (N, 4) float32
    scores : (N,) float32
    landmarks : (N, 5, 2) float32
    image : str or None
        The same in every row of a first column ``image``; None leaves that out.
    ids : (N,) int64 or None
        Column ``id``; None leaves that out.

    Returns
    -------
    dict
        ``image``, ``id``, ``score``, ``x1``, ``y1``, ``x2``, ``y2``, and ``left_eye_x`` to ``right_mouth_y``, in
        pixels.
    """
    table: dict[str, Any] = {} if image is None else {"image": [image] * len(scores)}
    if ids is not None:
        table["id"] = np.array(ids)
    table["score"] = np.array(scores)
    for index, name in enumerate(("x1", "y1", "x2", "y2")):
        table[name] = np.array(boxes[:, index])
    for index, point in enumerate(POINTS):
        for axis, letter in enumerate("xy"):
            table[f"{point}_{letter}"] = np.array(landmarks[:, index, axis])
    return table


def to_pandas(table: dict[str, Any]) -> Any:
    """Return a ``pandas.DataFrame``, or raise `MissingExtraError`."""
    return require("pandas", "Faces.to_pandas", "pip install pandas").DataFrame(table)


def to_polars(table: dict[str, Any]) -> Any:
    """Return a ``polars.DataFrame``, or raise `MissingExtraError`."""
    return require("polars", "Faces.to_polars", "pip install polars").DataFrame(table)


def to_arrow(table: dict[str, Any]) -> Any:
    """Return a ``pyarrow.Table``, or raise `MissingExtraError`."""
    return require("pyarrow", "Faces.to_arrow", "pip install pyarrow").table(table)


def to_supervision(boxes: Floats, scores: Floats, landmarks: Floats, ids: Indices | None = None) -> Any:
    """Return ``supervision.Detections`` of class 0, the ids as tracker's, the landmarks in ``data["landmarks"]``."""
    package = require("supervision", "Faces.to_supervision", "pip install supervision")
    return package.Detections(
        xyxy=np.array(boxes),
        confidence=np.array(scores),
        class_id=np.zeros(len(scores), int),
        tracker_id=None if ids is None else np.array(ids),
        data={"class_name": np.array(["face"] * len(scores)), "landmarks": np.array(landmarks)},
    )
