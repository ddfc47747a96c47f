"""The pixels that an ellipse or a box covers, row by row, and the overlap of the two.

FDDB's evaluation paints both into images of bytes and counts pixels. As both are convex, each row of pixels meets them
in one run, so that the same counts follow from the runs' ends.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mtcnn_fast._types import Doubles


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Rows of pixels and the run that a shape covers in each.

    Attributes
    ----------
    rows, first, last : (N,) float64
        Whole numbers; both ends belong to the run.
    """

    rows: Doubles
    first: Doubles
    last: Doubles

    @property
    def area(self) -> float:
        """Number of pixels."""
        return float(np.sum(self.last - self.first + 1))


def ellipse_runs(ellipse: Doubles, size: tuple[int, int]) -> Runs:
    """Find the pixels of an ellipse.

    Parameters
    ----------
    ellipse : (5,) float64
        Major and minor radius in pixels, angle of the major axis in radians, centre x and y: a row of FDDB.
    size : (width, height)
        Of the image; what lies outside does not count.

    Returns
    -------
    Runs

    Notes
    -----
    The official tool gives its drawing routine whole numbers: radii are cut to integers, centre and angle (in degrees)
    are rounded. A row's run spans all that the ellipse covers between the row's upper and lower edge, with rounded
    ends, as the filled and outlined polygon of that routine does. With this the tool's counts of found faces are met
    exactly for two published detectors, while testing the pixels' centres alone misses some.
    """
    a, b = float(int(ellipse[0])), float(int(ellipse[1]))
    angle = math.radians(round(math.degrees(ellipse[2])))
    x, y = float(np.rint(ellipse[3])), float(np.rint(ellipse[4]))
    if a <= 0 or b <= 0:
        return _clipped(np.array([y]), np.array([x - a]), np.array([x + a]), size)
    cos, sin = math.cos(angle), math.sin(angle)
    height = math.hypot(a * sin, b * cos)
    width = math.hypot(a * cos, b * sin)
    reach = math.floor(height + 0.5)
    rows = np.arange(-reach, reach + 1, dtype=np.float64)
    # Height at which the ellipse is furthest to the right; the furthest to the left is its mirror image.
    turn = (a * a - b * b) * cos * sin / width

    def edge(at: Doubles, side: int) -> Doubles:
        """Solve the ellipse's equation, a quadratic in x, at heights relative to the centre."""
        at = np.clip(at, -height, height)
        square = (cos / a) ** 2 + (sin / b) ** 2
        linear = 2 * at * cos * sin * (1 / a**2 - 1 / b**2)
        rest = at * at * ((sin / a) ** 2 + (cos / b) ** 2) - 1
        root = np.sqrt(np.maximum(linear * linear - 4 * square * rest, 0))
        return np.asarray((-linear + side * root) / (2 * square))

    first = np.rint(x + edge(np.clip(-turn, rows - 0.5, rows + 0.5), -1))
    last = np.rint(x + edge(np.clip(turn, rows - 0.5, rows + 0.5), 1))
    return _clipped(rows + y, first, last, size)


def _clipped(rows: Doubles, first: Doubles, last: Doubles, size: tuple[int, int]) -> Runs:
    first, last = np.maximum(first, 0), np.minimum(last, size[0] - 1)
    inside = (rows >= 0) & (rows < size[1]) & (first <= last)
    return Runs(rows[inside], first[inside], last[inside])


def overlap(runs: Runs, boxes: Doubles, size: tuple[int, int]) -> Doubles:
    """Intersection over union of a shape with boxes, counted in pixels.

    Parameters
    ----------
    runs : Runs
        The shape.
    boxes : (N, 4) float64
        Corners ``x1, y1, x2, y2``; they are rounded, and both belong to the box, as in the official tool.
    size : (width, height)
        Of the image; what lies outside does not count.

    Returns
    -------
    iou : (N,) float64
    """
    limit = np.array([size[0] - 1, size[1] - 1], np.float64)
    low = np.maximum(np.rint(boxes[:, :2]), 0)
    high = np.minimum(np.rint(boxes[:, 2:]), limit)
    areas = np.prod(np.maximum(high - low + 1, 0), axis=1)
    rows = runs.rows[:, None]
    length = np.minimum(runs.last[:, None], high[:, 0]) - np.maximum(runs.first[:, None], low[:, 0]) + 1
    shared = np.sum(np.maximum(length, 0) * ((rows >= low[:, 1]) & (rows <= high[:, 1])), axis=0)
    union = runs.area + areas - shared
    iou: Doubles = np.divide(shared, union, out=np.zeros(len(boxes)), where=union > 0)
    return iou
