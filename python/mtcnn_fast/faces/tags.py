"""Tags beside faces: where they find room, and how they are written."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.faces.canvas import Bounds, Canvas, rounded
from mtcnn_fast.faces.styles import LIGHT_COLOR, SHADE_COLOR, RgbColor

if TYPE_CHECKING:
    from PIL import ImageFont

#: Below this many pixels digits cannot be told apart.
LEAST_FONT_SIZE = 9

#: A tag of that size would hide a face below this many pixels, so by default it gets none.
LEAST_LABELLED = 16

#: A tag over another tag is worse than one over another face.
_OVER_TAG = 4.0


class Tags:
    """Places for tags, none over another where that can be.

    Parameters
    ----------
    size : (width, height)
        Of the image.
    boxes : (N, 4) float64
        Of the faces, which tags had better leave free.
    """

    def __init__(self, size: tuple[int, int], boxes: Doubles) -> None:
        self._size = size
        self._boxes = boxes
        self._placed = np.empty((0, 4))

    def place(self, box: Bounds, line_width: int, font_size: int, text: str, *, centered: bool = False) -> Bounds:
        """Return where the tag of a face goes: above its box, below or within, over as little as possible.

        Parameters
        ----------
        box : left, top, right, bottom
            Of the face; whole numbers.
        line_width, font_size : int
            Pixels. The tag lies on the line, so that they are one.
        text : str
        centered : bool
            Whether the tag goes to the middle of a side, as suits an ellipse, rather than to a corner.
        """
        width, height = tag_size(text, font_size)
        left, top, right, bottom = box
        columns = [(left + right - width) // 2] if centered else [left, right - width]
        # Above is where people look first; within is the last resort.
        rows = [top - height + line_width, bottom - line_width, top, bottom - height]
        candidates = [self._inside(x, y, width, height) for y in rows for x in columns]
        costs = [self._cost(place, rank, box) for rank, place in enumerate(candidates)]
        best = candidates[int(np.argmin(costs))]
        self._placed = np.vstack([self._placed, best])
        return best

    def _inside(self, x: float, y: float, width: int, height: int) -> Bounds:
        x = max(0, min(x, self._size[0] - width))
        y = max(0, min(y, self._size[1] - height))
        return x, y, x + width, y + height

    def _cost(self, place: Bounds, rank: int, own: Bounds) -> float:
        area = (place[2] - place[0]) * (place[3] - place[1])
        return (
            (_shared(place, self._boxes) + _OVER_TAG * _shared(place, self._placed)) / area
            + 0.5 * _shared(place, np.array([own])) / area
            + 0.02 * rank
        )


def _shared(place: Bounds, others: Doubles) -> float:
    """Return the area that a rectangle shares with others, summed."""
    sides = np.minimum(place[2:], others[:, 2:]) - np.maximum(place[:2], others[:, :2])
    return float(np.prod(sides.clip(0), axis=1).sum())


def tag_size(text: str, font_size: int) -> tuple[int, int]:
    """Return width and height of a tag in pixels."""
    left, _, right, _ = load_font(font_size).getbbox(text)
    # The height of digits, so that tags beside each other are of one height.
    _, top, _, bottom = load_font(font_size).getbbox("0")
    pad = padding(font_size)
    return math.ceil(right - left) + 2 * pad + pad // 2, math.ceil(bottom - top) + 2 * pad


def padding(font_size: int) -> int:
    """Return the space around the text of a tag in pixels."""
    return max(2, round(font_size * 0.3))


def paint_tag(canvas: Canvas, place: Bounds, font_size: int, text: str, color: RgbColor) -> None:
    """Write a tag."""
    from PIL import Image, ImageDraw

    canvas.paint([place], rounded(place, font_size * 0.2), color)
    width, height = round(place[2] - place[0]), round(place[3] - place[1])
    ink = Image.new("L", (width, height))
    ImageDraw.Draw(ink).text((width / 2, height / 2), text, fill=255, font=load_font(font_size), anchor="mm")
    canvas.stamp(round(place[0]), round(place[1]), np.asarray(ink), ink_on(color))


def ink_on(color: RgbColor) -> RgbColor:
    """Return the color of text on a color: the one with the higher contrast (WCAG 2.2, relative luminance)."""
    light, dark = _luminance(LIGHT_COLOR), _luminance(SHADE_COLOR)
    ground = _luminance(color)
    return LIGHT_COLOR if (light + 0.05) / (ground + 0.05) > (ground + 0.05) / (dark + 0.05) else SHADE_COLOR


def _luminance(color: RgbColor) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@functools.lru_cache(maxsize=32)
def load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font; unpacking it takes longer than writing a tag."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
