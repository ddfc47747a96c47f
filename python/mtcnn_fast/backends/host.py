"""The steps between the networks in host memory: in C++ where the native module is there, else in numpy.

Arrays are not checked here: `mtcnn_fast.ops` checks those of a caller, and the backends make their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from mtcnn_fast._native import native_or_warn
from mtcnn_fast._types import Bools, Floats, Image, Indices, Overlap
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.checks import Number
from mtcnn_fast.config import Border
from mtcnn_fast.errors import ConfigError

#: Largest side of a level of a pyramid in pixels.
MAX_LEVEL = 2**30

_SCALE = Number(0, open_low=True)


def level_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return height and width of a level, its scale checked."""
    value = _SCALE("each scale", scale)
    if max(height, width) * value + 1 > MAX_LEVEL:
        raise ConfigError(f"each scale must make at most {MAX_LEVEL} pixels a side, got {scale!r} for {width}x{height}")
    return numpy_steps.scaled_size(height, width, value)


def resize_to_sizes(image: Image, sizes: Sequence[tuple[int, int]], num_threads: int) -> list[Floats]:
    """Resize an image to several sizes and normalise it (section 1 of docs/semantics.md).

    Parameters
    ----------
    image : (H, W, 3) uint8
    sizes : sequence of (height, width)
    num_threads : int
        Threads that the native module uses.

    Returns
    -------
    list of (3, height, width) float32
    """
    native = native_or_warn()
    if native is not None:
        return cast("list[Floats]", native.resize_pyramid(image, list(sizes), num_threads))
    integral = numpy_steps.integral_image(image)
    return [numpy_steps.resize(integral, *size) for size in sizes]


def crop_pad_resize(image: Image, boxes: Floats, size: int, border: Border, num_threads: int) -> tuple[Floats, Bools]:
    """Cut boxes out of an image, resize them and normalise them (section 3).

    Parameters
    ----------
    image : (H, W, 3) uint8
    boxes : (N, 4) float32
        Corners in pixels, C-contiguous.
    size : int
        Side of the crops in pixels.
    border : {"zero", "clip"}
    num_threads : int

    Returns
    -------
    crops : (N, 3, size, size) float32
    valid : (N,) bool
    """
    native = native_or_warn()
    if native is not None:
        result = native.crop_pad_resize(image, boxes, size, border == "zero", num_threads)
        return cast("tuple[Floats, Bools]", result)
    return numpy_steps.crop(numpy_steps.integral_image(image), boxes, size, border)


def batched_nms(boxes: Floats, scores: Floats, segments: Indices, threshold: float, mode: Overlap) -> Indices:
    """Suppress boxes that overlap a better one of their segment; see `mtcnn_fast.ops.batched_nms`.

    Parameters
    ----------
    boxes : (N, 4) float32
    scores : (N,) float32
    segments : (N,) int64
    threshold : float
    mode : {"iou", "iomin"}

    Returns
    -------
    (M,) int64
        Indices of the boxes that survive.
    """
    native = native_or_warn()
    if native is not None:
        return cast("Indices", native.batched_nms(boxes, scores, segments, threshold, mode == "iomin"))
    # Boxes without area overlap by 0 / 0, and far ones by infinities.
    with np.errstate(all="ignore"):
        return numpy_steps.batched_nms(boxes, scores, segments, threshold, mode)
