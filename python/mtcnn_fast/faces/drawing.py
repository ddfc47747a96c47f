"""Drawing: faces on a copy of an image, in sizes that suit image and face."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles, Floats
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces.canvas import Bounds, Canvas, Distance, circle, ellipse, frame, only_corners, ring, rounded
from mtcnn_fast.faces.styles import (
    BOX_COLOR,
    LANDMARK_COLOR,
    PALETTE,
    RGB,
    SHADE_COLOR,
    DrawStyle,
    RgbColor,
    chosen_style,
)
from mtcnn_fast.faces.tags import LEAST_FONT_SIZE, LEAST_LABELLED, Tags, paint_tag

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BOX_COLOR", "LANDMARK_COLOR", "LEAST_FONT_SIZE", "LEAST_LABELLED", "SHADE_COLOR", "draw_faces"]

#: How opaque the dark rim is that sets lines off from a background of their own color.
_RIM_OPACITY = 0.35


def draw_faces(
    image: npt.NDArray[np.uint8],
    boxes: Floats,
    *,
    scores: Floats | None = None,
    landmarks: Floats | None = None,
    indices: Sequence[int] | None = None,
    ids: Sequence[int | str] | None = None,
    style: DrawStyle | str = "default",
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
        Needed for tags with scores.
    landmarks : (N, 5, 2) float32, optional
        Drawn as dots where given and the style has them, x and y in pixels.
    indices : sequence of N int, optional
        What tags with an index show; by default the row.
    ids : sequence of N int or str, optional
        What tags with an id show (numbers as ``#7``), and what a color of the palette belongs to. A style with scores
        shows them in their place.
    style : DrawStyle or str
        Or the name of one: see `mtcnn_fast.faces.styles.STYLES`.
    line_width : int or None
        In place of the style's. By default 0.4 % of the image's size (the root of its area), at most 6 % of the face's.
    font_size : int or None
        In place of the style's. By default 3 % of the image's size, at most 30 % of the face's and at least
        `LEAST_FONT_SIZE`; and faces smaller than `LEAST_LABELLED` have no tag.

    Returns
    -------
    picture : PIL.Image.Image
        A new RGB image.

    Raises
    ------
    ConfigError
        If the style or a size is not accepted, or the tags need ids and there are none.
    """
    from PIL import Image

    look = chosen_style(style)
    look = dataclasses.replace(
        look,
        tag="id" if ids is not None and look.tag == "score" else look.tag,
        line_width=look.line_width if line_width is None else line_width,
        font_size=look.font_size if font_size is None else font_size,
    )
    canvas = Canvas(image)
    faces = _shapes_of(boxes, image.shape, look, _colors(look, len(boxes), indices, ids))
    if look.dim:
        canvas.dim(look.dim, [(_grown(face.box, 1), _area(face, look)) for face in faces])
    for face in faces:
        _paint_outline(canvas, face, look)
    if landmarks is not None and look.landmarks:
        for face, points in zip(faces, landmarks.tolist(), strict=True):
            _paint_points(canvas, face, points, look)
    texts = _texts(look, len(boxes), scores, indices, ids)
    if texts is not None:
        _paint_tags(canvas, faces, texts, look)
    return Image.fromarray(canvas.pixels)


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """A face as it is drawn: its box in whole pixels (continuous coordinates), size, line and color."""

    box: Bounds
    extent: float
    line: int
    color: RgbColor


def _shapes_of(boxes: Floats, shape: tuple[int, ...], look: DrawStyle, colors: Sequence[RgbColor]) -> list[_Shape]:
    height, width = shape[:2]
    size = math.sqrt(width * height)
    visible = _visible(boxes, (width, height))
    extents = np.sqrt(np.prod(visible[:, 2:] - visible[:, :2], axis=1)).tolist()
    faces = []
    for (x1, y1, x2, y2), extent, color in zip(visible.round().tolist(), extents, colors, strict=True):
        line = look.line_width or max(1, round(min(size * 0.004, extent * 0.06)))
        # The pixels that the corners round to belong to the box.
        faces.append(_Shape((x1, y1, x2 + 1, y2 + 1), extent, line, color))
    return faces


def _visible(boxes: npt.NDArray[np.float32], size: tuple[int, int]) -> Doubles:
    """Order the corners of boxes, and bring those far outside near enough for the arithmetic of shapes."""
    limits = np.array(size * 2, np.float64)
    ordered = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    return ordered.astype(np.float64).clip(-limits, 2 * limits)


def _colors(
    look: DrawStyle, count: int, indices: Sequence[int] | None, ids: Sequence[int | str] | None
) -> list[RgbColor]:
    if look.color != "palette":
        return [RGB("color", look.color)] * count
    if ids is None:
        numbers: Sequence[int] = range(count) if indices is None else indices
    else:
        # A number has its own color, so that a track keeps it. Names have the colors in alphabetical order.
        names = {name: n for n, name in enumerate(sorted({i for i in ids if isinstance(i, str)}))}
        numbers = [names[i] if isinstance(i, str) else int(i) for i in ids]
    return [PALETTE[number % len(PALETTE)] for number in numbers]


def _texts(
    look: DrawStyle,
    count: int,
    scores: Floats | None,
    indices: Sequence[int] | None,
    ids: Sequence[int | str] | None,
) -> list[str] | None:
    if look.tag == "score" and scores is not None:
        return [f"{score:.3f}" for score in scores.tolist()]
    if look.tag == "index":
        return [str(index) for index in (range(count) if indices is None else indices)]
    if look.tag == "id":
        if ids is None:
            raise ConfigError("ids must be given, one a face, for tags with ids")
        return [i if isinstance(i, str) else f"#{i}" for i in ids]
    return None


def _grown(bounds: Bounds, by: float) -> Bounds:
    left, top, right, bottom = bounds
    return left - by, top - by, right + by, bottom + by


def _radius(face: _Shape) -> float:
    return 2.0 * face.line


def _area(face: _Shape, look: DrawStyle, by: float = 0) -> Distance:
    """Return the shape of a face, widened by some pixels."""
    bounds = _grown(face.box, by)
    return ellipse(bounds) if look.shape == "ellipse" else rounded(bounds, _radius(face) + by)


def _paint_outline(canvas: Canvas, face: _Shape, look: DrawStyle) -> None:
    """Paint the outline of a face inwards from the edges of its box, with a dark rim on both sides."""
    if look.shape == "none":
        return
    rim = 0.0 if face.line < 2 else max(1.0, round(face.line / 4))
    strokes = [(rim, SHADE_COLOR, _RIM_OPACITY)] if rim else []
    for by, color, opacity in [*strokes, (0.0, face.color, 1.0)]:
        bounds = _grown(face.box, by)
        shape = ring(_area(face, look, by), _area(face, look, -face.line - by))
        if look.shape == "corners":
            length = max(0.25 * min(bounds[2] - bounds[0], bounds[3] - bounds[1]), 2.0 * face.line)
            shape = only_corners(shape, bounds, length)
        regions = [bounds] if look.shape == "ellipse" else frame(bounds, face.line + 2 * by + _radius(face) + 1)
        canvas.paint(regions, shape, color, opacity)


def _paint_points(canvas: Canvas, face: _Shape, points: Sequence[Sequence[float]], look: DrawStyle) -> None:
    """Paint dots on landmarks, whose whole numbers are pixel centres; small faces keep most of their pixels."""
    radius = face.line * 1.6 if look.line_width else max(0.7, min(face.line * 1.6, face.extent * 0.025))
    discs = [(radius, RGB("landmark_color", look.landmark_color), 1.0)]
    if radius >= 1:
        discs.insert(0, (radius * 1.4, SHADE_COLOR, 0.8))
    for x, y in points:
        for reach, color, opacity in discs:
            bounds = _grown((x + 0.5, y + 0.5, x + 0.5, y + 0.5), reach + 1)
            canvas.paint([bounds], circle(x + 0.5, y + 0.5, reach), color, opacity)


def _paint_tags(canvas: Canvas, faces: Sequence[_Shape], texts: Sequence[str], look: DrawStyle) -> None:
    height, width = canvas.pixels.shape[:2]
    size = math.sqrt(width * height)
    tags = Tags((width, height), np.array([face.box for face in faces], np.float64).reshape(-1, 4))
    placed = []
    # The last face, which is on top of the others, chooses its place first.
    for face, text in reversed(list(zip(faces, texts, strict=True))):
        if look.font_size or face.extent >= LEAST_LABELLED:
            font_size = look.font_size or round(max(LEAST_FONT_SIZE, min(size * 0.03, face.extent * 0.3)))
            place = tags.place(face.box, face.line, font_size, text, centered=look.shape == "ellipse")
            placed.append((place, font_size, text, face.color))
    for place, font_size, text, color in reversed(placed):
        paint_tag(canvas, place, font_size, text, color)
