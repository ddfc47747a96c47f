"""Pictures with drawn faces, to try the training without a data set: nothing learned from them knows real faces."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast._paths import exists
from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.files import written_whole

#: Left and right eye, nose, left and right corner of the mouth, in units of the face's box.
_POINTS = np.array([[0.3, 0.38], [0.7, 0.38], [0.5, 0.58], [0.34, 0.77], [0.66, 0.77]])


def draw_faces(
    folder: str | os.PathLike[str], count: int, *, seed: int = 0, size: tuple[int, int] = (200, 150)
) -> list[FaceRecord]:
    """Draw pictures with up to three faces each before a background of other shapes.

    Parameters
    ----------
    folder : path-like or str
        Where the PNG files go; those that are there already are not drawn again.
    count : int
        Of pictures.
    seed : int
        The same seed gives the same pictures.
    size : tuple of 2 int
        Width and height in pixels.

    Returns
    -------
    list of FaceRecord
        With landmarks.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    return [_picture(place / f"drawn-{seed}-{number:05}.png", (seed, number), size) for number in range(count)]


def _picture(path: Path, seed: tuple[int, int], size: tuple[int, int]) -> FaceRecord:
    from PIL import Image, ImageDraw, ImageFilter

    rng = np.random.default_rng(seed)
    width, height = size
    coarse = rng.integers(30, 226, (4, 5, 3)).astype(np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        _shape(pen, rng, size)
    boxes = _places(rng, width, height)
    points = np.stack([_face(pen, rng, box) for box in boxes])
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    noisy = np.asarray(picture, np.float64) + rng.normal(0, 5, (height, width, 3))
    if not exists(path):
        data = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(data, "PNG")
        written_whole(path, data.getvalue())
    return FaceRecord(path, boxes.astype(np.float32), points.astype(np.float32), size=size)


def _places(rng: np.random.Generator, width: int, height: int) -> Doubles:
    """Choose boxes that do not overlap, at least one."""
    boxes: list[list[float]] = []
    wanted = int(rng.integers(1, 4))
    for _ in range(20):
        w = float(np.exp(rng.uniform(np.log(24), np.log(0.55 * height))))
        h = min(w * rng.uniform(1.1, 1.35), 0.9 * height)
        x, y = rng.uniform(1, width - w - 1), rng.uniform(1, height - h - 1)
        apart = [x + w < a or c < x or y + h < b or d < y for a, b, c, d in boxes]
        if all(apart) and len(boxes) < wanted:
            boxes.append([x, y, x + w, y + h])
    return np.array(boxes)


def _shape(pen: Any, rng: np.random.Generator, size: tuple[int, int]) -> None:
    """Draw a rectangle, an ellipse or a line that is no face."""
    x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    w, h = rng.uniform(6, 50, 2)
    color = tuple(int(value) for value in rng.integers(0, 256, 3))
    name = ("rectangle", "ellipse", "line")[int(rng.integers(3))]
    filling = {"fill": color, "width": 3} if name == "line" else {"fill": color}
    getattr(pen, name)([x, y, x + w, y + h], **filling)


def _face(pen: Any, rng: np.random.Generator, box: Doubles) -> Doubles:
    """Draw a face that fills a box and return its landmarks (5, 2)."""
    corner, extent = box[:2], box[2:] - box[:2]
    points = corner + (_POINTS + rng.uniform(-0.03, 0.03, (5, 2))) * extent
    shade = rng.uniform(0.55, 1.0)
    skin = tuple(int(shade * value) for value in (240, 195, 165))
    dark = tuple(int(value) for value in rng.integers(10, 60, 3))
    red = tuple(int(shade * value) for value in (190, 60, 70))
    ellipse, line = pen.ellipse, pen.line
    ellipse(box.tolist(), fill=skin)
    for eye in points[:2]:
        ellipse([*(eye - 0.09 * extent), *(eye + 0.09 * extent)], fill=(245, 245, 245))
        ellipse([*(eye - 0.05 * extent), *(eye + 0.05 * extent)], fill=dark)
    thickness = max(1, round(0.05 * extent[0]))
    line([*(points[:2].mean(axis=0)), *points[2]], fill=dark, width=thickness)
    line([*points[3], *points[4]], fill=red, width=thickness)
    return points
