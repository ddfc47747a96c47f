"""The part of an image that is searched, at the size at which it is searched."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mtcnn_fast._types import Doubles, Image, Size
from mtcnn_fast.errors import ImageError
from mtcnn_fast.faces import Faces
from mtcnn_fast.views.settings import Views

#: Pixels that are shrunk at a time: Pillow works on a copy with 4 bytes a pixel.
STRIP_PIXELS = 1 << 24


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What of one image is searched.

    Attributes
    ----------
    pixels : (h, w, 3) uint8
        What is searched.
    size : (width, height)
        Of the whole upright image.
    origin : (x, y)
        Where the window begins in the image.
    scale : (sx, sy)
        Pixels of the image to one of `pixels`.
    kept : (H, W, 3) uint8 or None
        The whole image, if the result is to keep it.
    """

    pixels: Image
    size: Size
    origin: tuple[int, int] = (0, 0)
    scale: tuple[float, float] = (1.0, 1.0)
    kept: Image | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels that are searched."""
        return self.pixels.shape

    def to_image(self, points: Doubles) -> Doubles:
        """Map points ``(..., 2)`` of the window into the image."""
        mapped: Doubles = points * np.array(self.scale) + np.array(self.origin)
        return mapped

    def result(self, faces: Faces) -> Faces:
        """Return faces found in `pixels` as faces of the image."""
        moved = self.origin != (0, 0) or self.scale != (1.0, 1.0)
        if not moved and self.size == faces.image_size and self.kept is None:
            return faces
        boxes, landmarks = faces.boxes, faces.landmarks
        if moved:
            boxes = self.to_image(boxes.reshape(-1, 2, 2).astype(np.float64)).reshape(-1, 4).astype(np.float32)
            landmarks = self.to_image(landmarks.astype(np.float64)).astype(np.float32)
        return Faces(boxes, faces.scores, landmarks, self.size, faces.timings, faces.trace, self.kept)


def cut_window(pixels: Image, size: Size, views: Views, kept: Image | None = None) -> Window:
    """Cut the searched part out of an image and shrink it.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The image; without a `roi` it may have been read smaller than it is.
    size : (width, height)
        Of the whole image.
    views : Views
    kept : (H, W, 3) uint8, optional
        The whole image, if the result is to keep it.

    Raises
    ------
    ImageError
        If no pixel of the image lies in the `roi`.
    """
    origin = (0, 0)
    part = size
    if views.roi is not None:
        x1, y1, x2, y2 = _covered(views.roi, size)
        origin, part = (x1, y1), (x2 - x1, y2 - y1)
        pixels = np.ascontiguousarray(pixels[y1:y2, x1:x2])
    if views.max_side is not None and max(part) > views.max_side:
        factor = views.max_side / max(part)
        pixels = shrunk(pixels, (max(1, round(part[0] * factor)), max(1, round(part[1] * factor))))
    height, width = pixels.shape[:2]
    return Window(pixels, size, origin, (part[0] / width, part[1] / height), kept)


def _covered(roi: tuple[float, float, float, float], size: Size) -> tuple[int, int, int, int]:
    """Return the corners of the pixels that a rectangle covers, wholly or in part."""
    width, height = size
    x1, y1 = max(0, math.floor(roi[0])), max(0, math.floor(roi[1]))
    x2, y2 = min(width, math.ceil(roi[2])), min(height, math.ceil(roi[3]))
    if x1 >= x2 or y1 >= y2:
        corners = ", ".join(f"{n:g}" for n in roi)
        raise ImageError(f"image must have a pixel within roi=({corners}), and has {width} x {height} pixels")
    return x1, y1, x2, y2


def shrunk(pixels: Image, size: Size) -> Image:
    """Shrink an image: averaged over whole pixels to about twice the size, then by Pillow's bilinear filter.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
    size : (width, height)
        At most the image's own.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    factor = max(1, int(min(width / size[0], height / size[1]) / 2))
    picture = Image.fromarray(reduced(pixels, factor))
    box = (0, 0, width / factor, height / factor)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def reduced(pixels: Image, factor: int) -> Image:
    """Average squares of ``factor x factor`` pixels, or what the image has of them, without a copy of the image."""
    from PIL import Image

    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    small = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    rows = max(1, STRIP_PIXELS // (width * factor))
    for row in range(0, len(small), rows):
        strip = Image.fromarray(np.ascontiguousarray(pixels[row * factor : (row + rows) * factor]))
        small[row : row + rows] = strip.reduce(factor)
    return small
