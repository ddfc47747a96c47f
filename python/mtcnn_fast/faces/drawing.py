"""Drawing: boxes, scores and landmarks on a copy of an image, in sizes that suit image and face."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats
from mtcnn_fast.checks import Count, Maybe

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

RgbColor = tuple[int, int, int]

BOX_COLOR: RgbColor = (0, 230, 150)
LANDMARK_COLOR: RgbColor = (255, 214, 64)
SHADE_COLOR: RgbColor = (8, 24, 18)

#: Below this many pixels digits cannot be told apart.
LEAST_FONT_SIZE = 9

#: A label of that size would hide a face below this many pixels, so by default it gets none.
LEAST_LABELLED = 16

#: Dots are drawn this many times larger and reduced, which smooths their edge.
_OVERSAMPLING = 8


def draw_faces(
    image: npt.NDArray[np.uint8],
    boxes: Floats,
    *,
    scores: Floats | None = None,
    landmarks: Floats | None = None,
    line_width: int | None = None,
    font_size: int | None = None,
) -> Image.Image:
    """Draw faces on a copy of an image.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image, RGB.
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels of `image`. The last is drawn on top of the others.
    scores : (N,) float32, optional
        Written beside the boxes where given.
    landmarks : (N, 5, 2) float32, optional
        Drawn as dots where given, x and y in pixels.
    line_width : int or None
        Width in pixels of all lines, to which the dots of the landmarks are adapted; by default 0.4 % of the image's
        size (the root of its area), at most 6 % of the face's.
    font_size : int or None
        Height in pixels of all labels; by default 3 % of the image's size, at most 30 % of the face's and
        at least `LEAST_FONT_SIZE`; and faces smaller than `LEAST_LABELLED` have no label.

    Returns
    -------
    picture : PIL.Image.Image
        A new RGB image.

    Raises
    ------
    ConfigError
        If `line_width` or `font_size` is not a positive whole number.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    fixed_width = Maybe(Count())("line_width", line_width)
    fixed_font = Maybe(Count())("font_size", font_size)
    size = math.sqrt(picture.width * picture.height)
    visible = _visible(boxes, picture.size)
    extents = np.sqrt(np.prod(visible[:, 2:] - visible[:, :2], axis=1)).tolist()
    corners = [(x1, y1, x2, y2) for x1, y1, x2, y2 in visible.round().astype(int).tolist()]
    widths = [fixed_width or max(1, round(min(size * 0.004, extent * 0.06))) for extent in extents]

    for box, width in zip(corners, widths, strict=True):
        canvas.rectangle(box, outline=BOX_COLOR, width=width)
    if landmarks is not None:
        for points, width, extent in zip(landmarks.tolist(), widths, extents, strict=True):
            radius = width * 1.6 if fixed_width else max(1.0, min(width * 1.6, extent * 0.025))
            for x, y in points:
                _dot(picture, x, y, radius)
    if scores is not None:
        for box, width, extent, score in zip(corners, widths, extents, scores.tolist(), strict=True):
            if fixed_font or extent >= LEAST_LABELLED:
                height = fixed_font or round(max(LEAST_FONT_SIZE, min(size * 0.03, extent * 0.3)))
                _label(canvas, picture.size, box, width, height, f"{score:.3f}")
    return picture


def _visible(boxes: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Order the corners of boxes, and bring those far outside close enough for Pillow's integers."""
    limits = np.array(size * 2, np.float64)
    ordered = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    return ordered.astype(np.float64).clip(-limits, 2 * limits)


def _dot(picture: Image.Image, x: float, y: float, radius: float) -> None:
    """Draw a smooth, dark-rimmed dot whose centre need not be a whole pixel; whole numbers are pixel centres."""
    from PIL import Image, ImageDraw

    rim = radius * 1.35
    left, top = math.floor(x + 0.5 - rim), math.floor(y + 0.5 - rim)
    side = math.ceil(2 * rim) + 1
    if not (-side < left < picture.width and -side < top < picture.height):
        return
    for reach, color in ((rim, SHADE_COLOR), (radius, LANDMARK_COLOR)):
        mask = Image.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING))
        edges = [
            (v + 0.5 - start + sign * reach) * _OVERSAMPLING for sign in (-1, 1) for v, start in ((x, left), (y, top))
        ]
        ImageDraw.Draw(mask).ellipse(edges, fill=255)
        picture.paste(color, (left, top), mask.resize((side, side), Image.Resampling.BOX))


def _label(
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    line_width: int,
    font_size: int,
    text: str,
) -> None:
    """Write on a filled tag above the upper left corner of a box, or beside it where the image ends."""
    font = _font(font_size)
    left, top, right, bottom = font.getbbox(text)
    pad = max(1, round(font_size * 0.2))
    width, height = math.ceil(right - left) + 2 * pad, math.ceil(bottom - top) + 2 * pad
    x = max(0, min(box[0], size[0] - width))
    y = box[1] - height + line_width
    if y < 0:
        y = max(0, min(box[1], size[1] - height))
    canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=BOX_COLOR)
    canvas.text((x + pad - left, y + pad - top), text, fill=SHADE_COLOR, font=font)


@functools.lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font; unpacking it takes longer than writing a label."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
