"""Which of the faces in an image is the one that is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray
from mtcnn_fast.errors import ConfigError

METHODS = ("probability", "largest", "largest_over_threshold", "center_weighted_size")


def areas(boxes: AnyArray) -> AnyArray:
    """Return the areas of ``(n, 4)`` boxes, float64."""
    corners = boxes.astype(np.float64)
    area: AnyArray = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return area


def descending(values: AnyArray) -> AnyArray:
    """Return the order from the largest value to the smallest, equal ones as facenet-pytorch has them."""
    return np.argsort(values)[::-1]


def choose(
    boxes: AnyArray, probs: AnyArray, size: tuple[int, int], method: str, threshold: float, center_weight: float
) -> int | None:
    """Return the index of the wanted face, or None if there is none.

    Parameters
    ----------
    boxes : (n, 4) ndarray
        Corners in pixels; n at least 1.
    probs : (n,) ndarray
    size : (width, height)
        Of the image.
    method : str
        ``"probability"``, the highest; ``"largest"``, the largest area; ``"largest_over_threshold"``, the largest area
        among those of a probability above `threshold`; ``"center_weighted_size"``, the largest area less
        `center_weight` times the squared distance from the image's centre.

    Raises
    ------
    ConfigError
        If `method` is none of these.
    """
    if method == "probability":
        return int(descending(probs.astype(np.float64))[0])
    if method == "largest":
        return int(descending(areas(boxes))[0])
    if method == "largest_over_threshold":
        allowed = np.flatnonzero(probs.astype(np.float64) > threshold)
        return int(allowed[descending(areas(boxes)[allowed])[0]]) if len(allowed) else None
    if method == "center_weighted_size":
        corners = boxes.astype(np.float64)
        offsets = (corners[:, :2] + corners[:, 2:]) / 2 - np.array(size) / 2
        return int(descending(areas(boxes) - (offsets**2).sum(axis=1) * center_weight)[0])
    raise ConfigError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")


def stack(rows: list[Any]) -> AnyArray:
    """Join what was chosen in each image; an image without a face makes it an array of objects, with None there."""
    if all(row is not None for row in rows):
        return np.array(rows)
    joined = np.empty(len(rows), dtype=object)
    joined[:] = rows
    return joined
