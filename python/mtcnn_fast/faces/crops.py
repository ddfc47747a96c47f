"""Square crops of faces, as the input of a network that takes unaligned faces."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mtcnn_fast.checks import Count, Number
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.errors import ConfigError

#: A square with more pixels of the image than this is refused: it would be mostly black, and costs memory.
MAX_CROP_PIXELS = 200_000_000


def square_crops(image: npt.NDArray[np.uint8], boxes: npt.ArrayLike, size: int, margin: float) -> npt.NDArray[np.uint8]:
    """Cut a square around each box and resize it.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image.
    boxes : (N, 4) array_like
        Corners ``x1, y1, x2, y2`` in pixels; ``(0, 0)`` is the upper left edge of the image, as in Pillow.
    size : int
        Side of the crops in pixels.
    margin : float
        Pixels of the crop, both sides together, that lie around the box's longer side, at least 0 and below `size`: the
        meaning it has in facenet-pytorch.

    Returns
    -------
    crops : (N, size, size, 3) uint8
        Centred on the boxes and undistorted, black outside the image, resized by Pillow's bilinear filter (which
        averages when it reduces).

    Raises
    ------
    ConfigError
        If an argument is not accepted, or a box has no width and no height, or its square exceeds `MAX_CROP_PIXELS`.
    """
    from PIL import Image

    rows = Array((None, 4), np.float64)("boxes", boxes)
    side = Count()("size", size)
    free = Number(0)("margin", margin)
    if free >= side:
        raise ConfigError(f"margin must be below size, which is {side}, got {margin!r}")
    crops = np.zeros((len(rows), side, side, 3), np.uint8)
    for i, (x1, y1, x2, y2) in enumerate(rows.tolist()):
        longer = max(x2 - x1, y2 - y1)
        if longer <= 0:
            raise ConfigError(f"boxes[{i}] must have a width or a height, got {[x1, y1, x2, y2]}")
        reach = longer * side / (side - free)
        if reach**2 > MAX_CROP_PIXELS:
            raise ConfigError(
                f"boxes[{i}] must need a square of at most {MAX_CROP_PIXELS} pixels of the image, "
                f"got {reach:.0f} x {reach:.0f}"
            )
        left, top = (x1 + x2 - reach) / 2, (y1 + y2 - reach) / 2
        if left < image.shape[1] and top < image.shape[0] and left + reach > 0 and top + reach > 0:
            canvas, x, y = _canvas(image, left, top, reach)
            inner = (x, y, min(x + reach, canvas.shape[1]), min(y + reach, canvas.shape[0]))
            resized = Image.fromarray(canvas).resize((side, side), Image.Resampling.BILINEAR, box=inner)
            crops[i] = np.asarray(resized)
    return crops


def _canvas(
    image: npt.NDArray[np.uint8], left: float, top: float, reach: float
) -> tuple[npt.NDArray[np.uint8], float, float]:
    """Copy all pixels that a square touches, black outside the image; also return where the square lies in them."""
    x0, y0 = math.floor(left), math.floor(top)
    # A square so small that adding its side changes nothing still lies in one pixel.
    x1, y1 = max(math.ceil(left + reach), x0 + 1), max(math.ceil(top + reach), y0 + 1)
    canvas = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    part = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    row, column = max(-y0, 0), max(-x0, 0)
    canvas[row : row + part.shape[0], column : column + part.shape[1]] = part
    return canvas, left - x0, top - y0
