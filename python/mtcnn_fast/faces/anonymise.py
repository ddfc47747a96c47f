"""Making faces unrecognisable: blurred, pixelated or covered, within an ellipse around each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtcnn_fast._types import Bools, Floats, Image, Pixels

#: Half axes of the ellipse in units of the box's half width and height: boxes end at chin and forehead, hair and ears
#: lie outside.
REACH = (1.2, 1.2)

Fill = Callable[[Pixels], Pixels]


def cover(image: Image, boxes: Floats, fill: Fill) -> Pixels:
    """Replace an ellipse around each face.

    Parameters
    ----------
    image : (H, W, 3) uint8
    boxes : (N, 4) float32
        Corners in pixels; they may leave the image.
    fill : callable
        Returns what replaces a patch ``(h, w, 3)``, in the same shape.

    Returns
    -------
    (H, W, 3) uint8
        A new image.
    """
    covered = np.array(image)
    height, width = image.shape[:2]
    centres = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    halves = np.abs(boxes[:, 2:].astype(np.float64) - boxes[:, :2]) / 2 * REACH
    for (cx, cy), (rx, ry) in zip(centres.tolist(), halves.tolist(), strict=True):
        left, right = (int(np.clip(v, 0, width)) for v in (np.floor(cx - rx), np.ceil(cx + rx)))
        top, bottom = (int(np.clip(v, 0, height)) for v in (np.floor(cy - ry), np.ceil(cy + ry)))
        if left < right and top < bottom:
            inside = _ellipse(left, right, top, bottom, cx, cy, rx, ry)
            patch = covered[top:bottom, left:right]
            patch[inside] = fill(np.ascontiguousarray(patch))[inside]
    return covered


def _ellipse(left: int, right: int, top: int, bottom: int, cx: float, cy: float, rx: float, ry: float) -> Bools:
    """Tell which pixels of a rectangle have their centre inside an ellipse."""
    x = (np.arange(left, right) + 0.5 - cx) / max(rx, 0.5)
    y = (np.arange(top, bottom) + 0.5 - cy) / max(ry, 0.5)
    inside: Bools = y[:, None] ** 2 + x[None, :] ** 2 <= 1
    return inside


def pixelated(cells: int) -> Fill:
    """Return a fill that averages a patch over `cells` squares along its shorter side."""

    def fill(patch: Pixels) -> Pixels:
        height, width = patch.shape[:2]
        side = max(1, -(-min(height, width) // cells))
        rows, columns = (np.arange(0, length, side) for length in (height, width))
        sums = np.add.reduceat(np.add.reduceat(patch.astype(np.int64), rows, axis=0), columns, axis=1)
        counts = np.outer(np.diff(np.append(rows, height)), np.diff(np.append(columns, width)))
        means = np.rint(sums / counts[:, :, None]).astype(np.uint8)
        large: Pixels = means.repeat(side, axis=0)[:height].repeat(side, axis=1)[:, :width]
        return large

    return fill


def blurred(strength: float) -> Fill:
    """Return a fill that blurs a patch by a Gaussian whose deviation is `strength` times the shorter side.

    The patch is first reduced to a few pixels a deviation, so that what a sharp blur leaves of it cannot be undone by
    deconvolution: those details are no longer in the picture.
    """

    def fill(patch: Pixels) -> Pixels:
        from PIL import Image as PilImage
        from PIL import ImageFilter

        height, width = patch.shape[:2]
        deviation = max(1.0, strength * min(height, width))
        step = max(1.0, deviation / 2)
        small = (max(1, round(width / step)), max(1, round(height / step)))
        picture = PilImage.fromarray(patch).resize(small, PilImage.Resampling.BOX)
        picture = picture.filter(ImageFilter.GaussianBlur(deviation / step))
        return np.asarray(picture.resize((width, height), PilImage.Resampling.BILINEAR))

    return fill


def plain(color: tuple[int, int, int]) -> Fill:
    """Return a fill of one color."""

    def fill(patch: Pixels) -> Pixels:
        result = np.empty_like(patch)
        result[:] = color
        return result

    return fill
