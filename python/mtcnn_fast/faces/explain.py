"""`Explanation`: why there is a face at a point, or none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mtcnn_fast._types import Pixels
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces.arrays import FaceArrays
from mtcnn_fast.faces.fates import fates_at, steps_of, verdict
from mtcnn_fast.faces.remedies import remedy_for
from mtcnn_fast.faces.storyboard import Story, draw_storyboard
from mtcnn_fast.faces.trace import Trace

if TYPE_CHECKING:
    from PIL import Image as Pillow


class Explanation(Story):
    """Why there is a face at a point, or none: ``print`` shows it in words, a notebook as storyboard.

    Attributes are those of `mtcnn_fast.faces.storyboard.Story`.
    """

    __slots__ = ()

    def __str__(self) -> str:
        where = "" if self.point is None else f"around ({self.point[0]:g}, {self.point[1]:g}): "
        return f"{where}{self.verdict}" + (f"\nremedy: {self.remedy}" if self.remedy else "")

    def storyboard(self) -> Pillow.Image:
        """Draw one panel for each step, with its boxes, scores, threshold and legend, and the point marked.

        Returns
        -------
        picture : PIL.Image.Image
            RGB; see `mtcnn_fast.faces.storyboard.draw_storyboard`.
        """
        return draw_storyboard(self)

    def to_html(self) -> str:
        """Return a page of its own with the storyboard, and the candidates around the point in a table."""
        from mtcnn_fast.faces.storyboard_page import storyboard_page

        return storyboard_page(self)

    def _repr_png_(self) -> bytes:
        """Show the storyboard in a notebook."""
        file = io.BytesIO()
        self.storyboard().save(file, "PNG")
        return file.getvalue()


def explain(faces: FaceArrays, point: tuple[float, float] | None, image: Pixels | None = None) -> Explanation:
    """Explain what became of the candidates around a point, or in all of an image.

    Parameters
    ----------
    faces : Faces
        Detected with ``trace=True``.
    point : (x, y) or None
        In pixels, inside the image.
    image : (H, W, 3) uint8, optional
        The image of the detection, RGB.

    Returns
    -------
    Explanation

    Raises
    ------
    BackendError
        If the detection was not traced.
    ConfigError
        If the point lies outside the image.
    """
    trace = steps_of(faces)
    settings = trace.settings if isinstance(trace, Trace) else None
    if point is None:
        found = f"{len(faces)} face{'' if len(faces) == 1 else 's'} found"
        return Explanation(None, found, "", [], list(trace), settings, image, faces.image_size)
    check_inside(point, faces.image_size)
    fates = fates_at(faces, *point)
    remedy = remedy_for(fates, settings)
    return Explanation(point, verdict(fates), remedy, fates, list(trace), settings, image, faces.image_size)


def check_inside(point: tuple[float, float], image_size: tuple[int, int]) -> None:
    """Raise ConfigError for a point outside an image of this ``(width, height)``."""
    (x, y), (width, height) = point, image_size
    if not (0 <= x <= width and 0 <= y <= height):
        raise ConfigError(f"the point must lie inside the image of {width}x{height} pixels, got ({x:g}, {y:g})")
