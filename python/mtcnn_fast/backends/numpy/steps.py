"""Building blocks of the cascade outside the networks, in plain numpy: the definition that other backends answer to.

Geometry is float32, evaluated in the order in which it is written; numpy rounds after every operation, so nothing is
contracted. Only scales are float64, rounded once to float32 where they meet coordinates. Area sums are exact integers.
Section numbers refer to ``docs/semantics.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Bools, Floats, Indices, Overlap
from mtcnn_fast.config import CELL, Border
from mtcnn_fast.weights import BoxCoding

#: Step between neighbouring cells of P-Net in pixels of the scaled image: its one pooling layer halves the resolution.
STRIDE = 2

_ONE = np.float32(1)
_HALF = np.float32(0.5)

#: Box coordinates are cut to this before they become integers: beyond every image, and sums of a few still fit 32 bits.
_FAR = np.float32(2**28)


# --- 1. Pyramid -------------------------------------------------------------------------------------------------------


def pyramid_scales(
    height: int, width: int, min_face_size: float, factor: float, max_face_size: float | None = None
) -> list[float]:
    """Return the scales at which P-Net looks at an image, largest first (section 1).

    At scale ``s`` its receptive field of 12 pixels covers faces of ``12 / s`` pixels. The first scale makes that
    `min_face_size`; each next one is `factor` times the last, while the shorter side still holds the receptive field.
    Scales that look only for faces above `max_face_size` pixels are left out.
    """
    scales = []
    scale = CELL / min_face_size
    while min(height, width) * scale >= CELL:
        if max_face_size is None or CELL / scale <= max_face_size:
            scales.append(scale)
        scale *= factor
    return scales


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return height and width of the image at a scale (section 1)."""
    return int(height * scale + 1), int(width * scale + 1)


def area_bins(length: int | Indices, count: int) -> tuple[Indices, Indices]:
    """Return first and one-past-last index of the bins that cut `length` pixels into `count` (section 1).

    Bin ``i`` is ``floor(i * length / count)`` to ``ceil((i + 1) * length / count)``: neighbours share a pixel where the
    border falls inside one, and when enlarging a bin holds one or two pixels. Lengths of shape ``(N,)`` give bins of
    shape ``(N, count)``.
    """
    steps = np.arange(count + 1, dtype=np.int64) * np.expand_dims(np.asarray(length, dtype=np.int64), -1)
    return steps[..., :-1] // count, -(-steps[..., 1:] // count)


def integral_image(image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the integral image ``(3, H + 1, W + 1)`` of ``(H, W, 3)``: ``[:, y, x]`` sums the rows < y, columns < x.

    Sums are exact: uint32 as long as that of the whole image fits, else uint64.
    """
    height, width, channels = image.shape
    dtype = np.uint32 if height * width * 255 < 2**32 else np.uint64
    integral = np.zeros((channels, height + 1, width + 1), dtype)
    inside = integral[:, 1:, 1:]
    inside[...] = image.transpose(2, 0, 1)
    np.cumsum(inside, axis=2, out=inside)
    np.cumsum(inside, axis=1, out=inside)
    return integral


def normalise(sums: npt.NDArray[Any], areas: Indices) -> Floats:
    """Turn area sums of 0 … 255 into averages from about -1 to 1: the networks' input (section 1)."""
    inverse = _ONE / areas.astype(np.float32)
    values: Floats = sums.astype(np.float32)
    values *= inverse
    values -= np.float32(127.5)
    values *= np.float32(0.0078125)
    return values


def resize(integral: npt.NDArray[Any], height: int, width: int) -> Floats:
    """Resize an image, given its integral image, to ``(3, height, width)`` by area averages, normalised (section 1)."""
    top, bottom = area_bins(integral.shape[1] - 1, height)
    left, right = area_bins(integral.shape[2] - 1, width)
    rows = integral[:, bottom] - integral[:, top]
    sums = rows.take(right, axis=2) - rows.take(left, axis=2)
    return normalise(sums, (bottom - top)[:, None] * (right - left))


# --- 2. Proposals -----------------------------------------------------------------------------------------------------


def map_cells(rows: Indices, columns: Indices, scale: float) -> Floats:
    """Return the boxes ``(N, 4)``, in pixels of the unscaled image, that P-Net's cells look at (section 2).

    One IEEE float32 division by the float32 scale: multiplying by its inverse would move one column in six.
    """
    first = np.stack([columns, rows], axis=1) * STRIDE + 1
    corners = np.concatenate([first, first + (CELL - 1)], axis=1).astype(np.float32)
    boxes: Floats = np.floor(corners / np.float32(scale))
    return boxes


# --- Boxes ------------------------------------------------------------------------------------------------------------


def regress(boxes: Floats, offsets: Floats, coding: BoxCoding, inclusive: bool) -> Floats:
    """Move boxes ``(N, 4)`` by a network's regression ``(N, 4)`` (sections 2 to 4).

    Parameters
    ----------
    coding : {"corner", "rcnn"}
        ``corner``: offsets of ``x1, y1, x2, y2`` in units of the box. ``rcnn``: offset of the centre in units of the
        box, and logarithm of the ratio of sizes (Girshick et al. 2014, appendix C).
    inclusive : bool
        Whether the box includes its last column and row, so that its width is ``x2 - x1 + 1``.
    """
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(inclusive)
    if coding == "corner":
        return np.concatenate([boxes[:, :2] + offsets[:, :2] * size, boxes[:, 2:] + offsets[:, 2:] * size], axis=1)
    centre = boxes[:, :2] + size * _HALF + offsets[:, :2] * size
    # The exponential in float64, rounded once: float32 versions differ between libraries in the last bit.
    half = size * np.exp(offsets[:, 2:].astype(np.float64)).astype(np.float32) * _HALF
    return np.concatenate([centre - half, centre + half - np.float32(inclusive)], axis=1)


def square(boxes: Floats) -> Floats:
    """Enlarge the shorter side of each box ``(N, 4)`` to the longer, about the centre (section 2)."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * _HALF - side * _HALF
    return np.concatenate([corner, corner + side], axis=1)


def place_landmarks(boxes: Floats, points: Floats) -> Floats:
    """Return landmarks ``(N, 5, 2)`` in pixels from O-Net's output ``(N, 10)``: five x, five y, in units of the box.

    `boxes` are those that the network saw, before its regression; their width is ``x2 - x1 + 1`` (section 4).
    """
    size = boxes[:, 2:] - boxes[:, :2] + _ONE
    inside = points.reshape(-1, 2, 5) * size[:, :, None]
    return np.ascontiguousarray((boxes[:, :2, None] + inside - _ONE).transpose(0, 2, 1))


# --- 3. Crops ---------------------------------------------------------------------------------------------------------


def crop_corners(boxes: Floats) -> Indices:
    """Return the integer corners ``(N, 4)`` of boxes, truncated toward zero (section 3)."""
    return np.trunc(np.clip(boxes, -_FAR, _FAR)).astype(np.int64)


def crop_valid(boxes: Floats, height: int, width: int) -> Bools:
    """Tell which boxes ``(N, 4)``, once truncated, have an area and a pixel inside the image (section 3).

    Those with a corner that is not finite have neither.
    """
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    x1, y1, x2, y2 = crop_corners(np.where(finite[:, None], boxes, np.float32(0))).T
    inside = (x2 >= 1) & (x1 <= width) & (y2 >= 1) & (y1 <= height)
    valid: Bools = finite & inside & (x2 >= x1) & (y2 >= y1)
    return valid


def crop(integral: npt.NDArray[Any], boxes: Floats, size: int, border: Border) -> tuple[Floats, Bools]:
    """Cut boxes out of an image, resize them to `size` x `size` and normalise (section 3).

    Parameters
    ----------
    integral : (3, H + 1, W + 1) ndarray
        The image's `integral_image`.
    boxes : (N, 4) float32
        Corners before truncation; truncated they are 1-based and inclusive.
    border : {"zero", "clip"}
        Whether pixels outside the image are zeros, or the box is first cut to the image.

    Returns
    -------
    crops : (N, 3, size, size) float32
        All zeros where not valid.
    valid : (N,) bool
        False for boxes that have no area, no pixel inside the image or a corner that is not finite.
    """
    height, width = integral.shape[1] - 1, integral.shape[2] - 1
    valid = crop_valid(boxes, height, width)
    corners = crop_corners(np.where(valid[:, None], boxes, _ONE))
    if border == "clip":
        corners = np.clip(corners, 1, [width, height, width, height])
    x1, y1, x2, y2 = corners.T
    left, right = (edges + (x1 - 1)[:, None] for edges in area_bins(x2 - x1 + 1, size))
    top, bottom = (edges + (y1 - 1)[:, None] for edges in area_bins(y2 - y1 + 1, size))
    areas = (bottom - top)[:, :, None] * (right - left)[:, None, :]

    # Pixels outside the image are zeros: they count in a bin's area and add nothing to its sum.
    rows = [np.clip(edges, 0, height)[:, :, None] * (width + 1) for edges in (top, bottom)]
    columns = [np.clip(edges, 0, width)[:, None, :] for edges in (left, right)]
    flat = integral.reshape(len(integral), -1)
    sums = flat.take(rows[1] + columns[1], axis=1)
    sums -= flat.take(rows[0] + columns[1], axis=1)
    sums -= flat.take(rows[1] + columns[0], axis=1)
    sums += flat.take(rows[0] + columns[0], axis=1)
    crops = np.ascontiguousarray(normalise(sums, areas).transpose(1, 0, 2, 3))
    crops[~valid] = 0
    return crops, valid


# --- Non-maximum suppression ------------------------------------------------------------------------------------------


def nms(
    boxes: Floats,
    scores: Floats,
    threshold: float,
    mode: Overlap = "iou",
    suppressed_by: Indices | None = None,
) -> Indices:
    """Greedy non-maximum suppression: return the indices of the boxes that survive, by descending score.

    The best box is kept and suppresses those that overlap it by more than `threshold`; the best of the rest follows.
    Among equal scores the lower index comes first. Boxes with a NaN score never survive.

    Parameters
    ----------
    boxes : (N, 4) float32
    scores : (N,) float32
    threshold : float
        Rounded to float32, as it is compared with float32 overlaps.
    mode : {"iou", "iomin"}
        ``iou``: intersection over union. ``iomin``: intersection over the smaller area, with boxes that include their
        last column and row (``+ 1`` in widths and heights, of the intersection too).
    suppressed_by : (N,) int64, optional
        Receives, for each box that does not survive, the index of the box that suppressed it; the rest is left as is.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[~np.isnan(scores[order])]
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    extra = np.float32(mode == "iomin")
    limit = np.float32(threshold)
    alive = np.ones(len(order), dtype=np.bool_)
    # Two boxes without area overlap by 0 / 0, which is not above any threshold.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        areas = (x2 - x1 + extra) * (y2 - y1 + extra)
        for i in range(len(order)):
            if not alive[i]:
                continue
            rest = slice(i + 1, None)
            widths = np.minimum(x2[rest], x2[i]) - np.maximum(x1[rest], x1[i]) + extra
            heights = np.minimum(y2[rest], y2[i]) - np.maximum(y1[rest], y1[i]) + extra
            shared = np.maximum(widths, 0) * np.maximum(heights, 0)
            if mode == "iou":
                overlap = shared / (areas[rest] + areas[i] - shared)
            else:
                overlap = shared / np.minimum(areas[rest], areas[i])
            above = overlap > limit
            if suppressed_by is not None:
                suppressed_by[order[rest][above & alive[rest]]] = order[i]
            alive[rest] &= ~above
    return order[alive]


def batched_nms(boxes: Floats, scores: Floats, segments: Indices, threshold: float, mode: Overlap = "iou") -> Indices:
    """Run `nms` within each segment: indices by ascending segment, then as `nms` orders them.

    Coordinates are used as they are. Shifting each segment by an offset, as is customary, loses float32 precision and
    makes a batch differ from its single images.
    """
    kept = [members[nms(boxes[members], scores[members], threshold, mode)] for members in _members(segments)]
    return np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)


def _members(segments: Indices) -> Iterator[Indices]:
    """Yield the indices of each segment, in order."""
    order = np.argsort(segments, kind="stable")
    borders = np.flatnonzero(np.diff(segments[order])) + 1
    return iter(part for part in np.split(order, borders) if len(part))


def final_order(boxes: Floats, scores: Floats) -> Indices:
    """Return the order of a result: descending score, ties by ascending x1, y1, x2, y2 (section 4)."""
    x1, y1, x2, y2 = boxes.T
    return np.lexsort((y2, x2, y1, x1, -scores))
