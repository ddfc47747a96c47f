"""Drawing what `MTCNN.detect_faces` returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray, Doubles
from mtcnn_fast.compat.mtcnn.results import KEYPOINTS

_EVERY_KEYPOINT = ",".join(KEYPOINTS)


def parse_color(color: str | Sequence[float]) -> Doubles:
    """Return a color ``"#RRGGBB"``, ``"#RGB"`` or ``"0xRRGGBB"`` as three values from 0 to 1; others as they are."""
    if not isinstance(color, str):
        return np.asarray(color, np.float64)
    digits = color.removeprefix("#").removeprefix("0x")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    return np.frombuffer(bytes.fromhex(digits), np.uint8) / 255


def plot_bbox(
    image: AnyArray,
    bbox: Any,
    color: str = "#FFFF00",
    normalize_color: bool = False,
    input_as_width_height: bool = True,
) -> AnyArray:
    """Draw a box on a copy of an image.

    Parameters
    ----------
    image : (H, W, 3) ndarray
    bbox : dict, list or ndarray
        A face as `MTCNN.detect_faces` returns it, or a box of four numbers.
    color : str
        See `parse_color`.
    normalize_color : bool
        Whether the image has values of 0 to 1, not 0 to 255; without it the result is uint8.
    input_as_width_height : bool
        Whether the box has width and height, not its right and bottom.
    """
    values = bbox["box"] if isinstance(bbox, dict) else bbox
    # A row of numbers begins with the number of its image.
    left, top, right, bottom = np.asarray(values, np.float64)[1:5] if len(values) > 4 else values
    if input_as_width_height:
        right, bottom = left + right, top + bottom
    height, width = image.shape[:2]
    x1, x2 = (int(np.clip(round(x), 0, width - 1)) for x in (left, right))
    y1, y2 = (int(np.clip(round(y), 0, height - 1)) for y in (top, bottom))
    drawn, paint = _canvas(image, color, normalize_color)
    drawn[y1 : y2 + 1, [x1, x2]] = paint
    drawn[[y1, y2], x1 : x2 + 1] = paint
    return drawn


def plot_landmarks(
    image: AnyArray,
    landmarks: Any,
    color: str = "#FFFF00",
    keypoints: str = _EVERY_KEYPOINT,
    brush_size: int = 2,
    normalize_color: bool = False,
) -> AnyArray:
    """Draw landmarks as small squares on a copy of an image.

    Parameters
    ----------
    image : (H, W, 3) ndarray
    landmarks : dict or ndarray
        A face as `MTCNN.detect_faces` returns it, or its ``keypoints``. One without landmarks draws nothing.
    color : str
        See `parse_color`.
    keypoints : str
        Names of those to draw, with commas between them.
    brush_size : int
        Pixels on each side of a landmark.
    normalize_color : bool
        As for `plot_bbox`.
    """
    points = _points(landmarks)
    drawn, paint = _canvas(image, color, normalize_color)
    for name in keypoints.split(","):
        if name.strip() in points:
            x, y = (round(value) for value in points[name.strip()])
            rows = slice(max(y - brush_size, 0), max(y + brush_size + 1, 0))
            drawn[rows, max(x - brush_size, 0) : max(x + brush_size + 1, 0)] = paint
    return drawn


def plot(image: AnyArray, detection: Any, input_as_width_height: bool = True) -> AnyArray | None:
    """Draw one face or several, as `MTCNN.detect_faces` returns them, on a copy of an image; None if there is none."""
    if len(detection) == 0:
        return None
    several = isinstance(detection, list) or (isinstance(detection, np.ndarray) and detection.ndim > 1)
    return plot_all(image, detection if several else [detection], input_as_width_height)


def plot_all(image: AnyArray, detections: Any, input_as_width_height: bool = True) -> AnyArray:
    """Draw several faces on a copy of an image."""
    for face in detections:
        boxed = plot_bbox(image, face, input_as_width_height=input_as_width_height)
        image = plot_landmarks(boxed, face)
    return image


def _canvas(image: AnyArray, color: str, normalize_color: bool) -> tuple[AnyArray, AnyArray]:
    """Return a copy of an image and the color in its values."""
    paint = parse_color(color)
    if normalize_color:
        return image.copy(), paint
    return image.astype(np.uint8), (paint * 255).astype(np.uint8)


def _points(landmarks: Any) -> dict[str, Any]:
    if isinstance(landmarks, dict):
        points: dict[str, Any] = landmarks.get("keypoints", {} if "box" in landmarks else landmarks)
        return points
    if len(landmarks) not in (10, 16):
        return {}
    x_and_y = np.asarray(landmarks)[-10:]
    return {name: (x_and_y[i], x_and_y[5 + i]) for name, i in KEYPOINTS.items()}
