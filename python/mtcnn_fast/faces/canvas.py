"""Shapes with smooth edges, painted on the pixels of an image.

A shape is a function of signed distance: how many pixels a point lies outside its edge, negative inside. A pixel is
covered by 0.5 minus the distance of its centre, cut to [0, 1], so that edges on whole pixels stay sharp and all others
are smooth. Coordinates are continuous: pixel 0 reaches from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from mtcnn_fast._types import Floats, Image, Pixels

#: Signed distance ``(h, w)`` of the points with these ``x`` of shape (1, w) and ``y`` of shape (h, 1).
Distance = Callable[[Floats, Floats], Floats]

#: Left, top, right and bottom edge.
Bounds = tuple[float, float, float, float]

#: Pixels that are worked on at once; a large portrait would otherwise take much memory.
_CHUNK = 1 << 18


class Canvas:
    """A copy of an image to paint on.

    Parameters
    ----------
    image : (H, W, 3) uint8

    Attributes
    ----------
    pixels : (H, W, 3) uint8
        What was painted.
    """

    def __init__(self, image: Image) -> None:
        self.pixels: Pixels = np.array(image)

    def paint(
        self, regions: Iterable[Bounds], distance: Distance, color: tuple[int, int, int], opacity: float = 1
    ) -> None:
        """Paint the part of a shape that lies in some regions, which must not overlap.

        Parameters
        ----------
        regions : iterable of (left, top, right, bottom)
            Made of whole pixels by widening them.
        distance : callable
            The shape.
        color : (red, green, blue)
        opacity : float
            From 0 to 1.
        """
        for (left, top, right, bottom), coverage in self._coverages(regions, distance):
            patch = self.pixels[top:bottom, left:right]
            weights = (coverage * opacity)[:, :, None]
            patch[...] = np.rint(patch + (np.array(color, np.float32) - patch) * weights)

    def stamp(self, left: int, top: int, mask: Pixels, color: tuple[int, int, int]) -> None:
        """Paint a mask ``(h, w)`` uint8, 255 where it is opaque, with its corner on a pixel."""
        height, width = self.pixels.shape[:2]
        right, bottom = min(width, left + mask.shape[1]), min(height, top + mask.shape[0])
        patch = self.pixels[max(0, top) : bottom, max(0, left) : right]
        weights = mask[max(0, -top) : bottom - top, max(0, -left) : right - left, None] / np.float32(255)
        patch[...] = np.rint(patch + (np.array(color, np.float32) - patch) * weights)

    def dim(self, amount: float, shapes: Iterable[tuple[Bounds, Distance]]) -> None:
        """Darken everything outside some shapes.

        Parameters
        ----------
        amount : float
            0 for not at all, 1 for black.
        shapes : iterable of (Bounds, Distance)
            What stays as it is, each within its bounds.
        """
        from PIL import Image as PilImage

        kept = np.zeros(self.pixels.shape[:2], np.uint8)
        for bounds, distance in shapes:
            for (left, top, right, bottom), coverage in self._coverages([bounds], distance):
                part = kept[top:bottom, left:right]
                np.maximum(part, np.rint(coverage * 255).astype(np.uint8), out=part)
        bright = PilImage.fromarray(self.pixels)
        dark = bright.point([round(value * (1 - amount)) for value in range(256)] * 3)
        self.pixels = np.array(PilImage.composite(bright, dark, PilImage.fromarray(kept)))

    def _coverages(
        self, regions: Iterable[Bounds], distance: Distance
    ) -> Iterable[tuple[tuple[int, int, int, int], Floats]]:
        height, width = self.pixels.shape[:2]
        for region in regions:
            left, top = max(0, math.floor(region[0])), max(0, math.floor(region[1]))
            right, bottom = min(width, math.ceil(region[2])), min(height, math.ceil(region[3]))
            if left >= right or top >= bottom:
                continue
            rows = max(1, _CHUNK // (right - left))
            x = np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5)
            for start in range(top, bottom, rows):
                end = min(bottom, start + rows)
                y = np.arange(start, end, dtype=np.float32)[:, None] + np.float32(0.5)
                yield (left, start, right, end), np.clip(0.5 - distance(x, y), 0, 1)


def circle(x: float, y: float, radius: float) -> Distance:
    """Return a disc."""
    return lambda px, py: np.hypot(px - np.float32(x), py - np.float32(y)) - np.float32(radius)


def rounded(bounds: Bounds, radius: float) -> Distance:
    """Return a rectangle with round corners."""
    left, top, right, bottom = bounds
    half_width, half_height = (right - left) / 2, (bottom - top) / 2
    radius = max(0.0, min(radius, half_width, half_height))
    cx, cy = np.float32((left + right) / 2), np.float32((top + bottom) / 2)
    inner_x, inner_y, r = np.float32(half_width - radius), np.float32(half_height - radius), np.float32(radius)

    def distance(x: Floats, y: Floats) -> Floats:
        dx, dy = np.abs(x - cx) - inner_x, np.abs(y - cy) - inner_y
        outside: Floats = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - r
        return outside

    return distance


def ellipse(bounds: Bounds) -> Distance:
    """Return the ellipse in a rectangle; its distance is of the first order, exact near the edge."""
    left, top, right, bottom = bounds
    a, b = (np.float32(max(0.5, (high - low) / 2)) for low, high in ((left, right), (top, bottom)))
    cx, cy = np.float32((left + right) / 2), np.float32((top + bottom) / 2)

    def distance(x: Floats, y: Floats) -> Floats:
        u, v = (x - cx) / a, (y - cy) / b
        value = np.hypot(u, v)
        slope = np.hypot(u / a, v / b)
        # Where the slope vanishes is the centre, which is inside.
        inside = np.full_like(value, -min(a, b))
        result: Floats = np.divide(value * (value - 1), slope, out=inside, where=slope > 0)
        return result

    return distance


def ring(outer: Distance, inner: Distance) -> Distance:
    """Return what lies in one shape and outside another."""
    return lambda x, y: np.maximum(outer(x, y), -inner(x, y))


def only_corners(shape: Distance, bounds: Bounds, length: float) -> Distance:
    """Return the part of a shape that lies within a length of the corners of a rectangle, along both axes."""
    left, top, right, bottom = (np.float32(value) for value in bounds)

    def distance(x: Floats, y: Floats) -> Floats:
        across = np.minimum(np.abs(x - left), np.abs(x - right)) - np.float32(length)
        down = np.minimum(np.abs(y - top), np.abs(y - bottom)) - np.float32(length)
        cut: Floats = np.maximum(shape(x, y), np.maximum(across, down))
        return cut

    return distance


def frame(bounds: Bounds, band: float) -> list[Bounds]:
    """Return the regions along the sides of a rectangle, this many pixels wide, for shapes that are empty within."""
    left, top = math.floor(bounds[0]), math.floor(bounds[1])
    right, bottom = math.ceil(bounds[2]), math.ceil(bounds[3])
    width = math.ceil(band)
    if right - left <= 2 * width or bottom - top <= 2 * width:
        return [(left, top, right, bottom)]
    return [
        (left, top, right, top + width),
        (left, bottom - width, right, bottom),
        (left, top + width, left + width, bottom - width),
        (right - width, top + width, right, bottom - width),
    ]
