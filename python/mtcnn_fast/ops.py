"""The cascade's building blocks on arrays: pyramid, crops and non-maximum suppression.

Each runs in C++ where the native module is available and in numpy elsewhere, with equal results to the last bit. Their
definitions are in ``docs/semantics.md``.

Tensors of torch on the CPU or CUDA, and other arrays in CUDA memory (by DLPack or ``__cuda_array_interface__``), are
taken where they are, all of them on one device, and give tensors there. On CUDA the side of a crop is at most 256.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from typing import Any, get_args, overload

import numpy as np
import numpy.typing as npt

from mtcnn_fast._native import checked_threads
from mtcnn_fast._types import Floats, Overlap
from mtcnn_fast.backends import host
from mtcnn_fast.checks import Choice, Count, Number
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.config import BORDERS, Border
from mtcnn_fast.errors import ImageError, MissingExtraError

__all__ = ["batched_nms", "crop_pad_resize", "resize_pyramid"]


#: Largest side of a crop in pixels.
MAX_CROP = 4096

_SIZE = Count(1, MAX_CROP)
_BORDER = Choice(BORDERS)
_THRESHOLD = Number(0, 1)
_MODE = Choice(get_args(Overlap))
_BOXES = Array((None, 4), finite=False, frozen=False)

#: What DLPack calls CUDA memory (dlpack.h, DLDeviceType).
_DLPACK_CUDA = 2


@overload
def resize_pyramid(
    image: npt.NDArray[np.uint8], scales: Iterable[float], *, num_threads: int | None = ...
) -> list[Floats]: ...
@overload
def resize_pyramid(image: Any, scales: Iterable[float], *, num_threads: int | None = ...) -> list[Any]: ...
def resize_pyramid(image: Any, scales: Iterable[float], *, num_threads: int | None = None) -> Any:
    """Resize an image to several scales and normalise it to P-Net's input.

    Each output pixel is the exact average of the input pixels in its area (rows ``floor(i * H / h)`` to
    ``ceil((i + 1) * H / h)``, columns alike), less 127.5 and divided by 128.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray or tensor
    scales : iterable of float
        Each above 0. A level has ``floor(H * scale + 1)`` rows and ``floor(W * scale + 1)`` columns.
    num_threads : int, optional
        Threads that the native module may use; by default as many as the process may.

    Returns
    -------
    list of (3, h, w) float32 ndarray, or tensor for a tensor
        One level for each scale, in order, channels as in `image`.

    Raises
    ------
    ImageError
        If the image is of another shape or type, or has no pixels.
    ConfigError
        If a scale or `num_threads` is out of range.
    MissingExtraError
        If the image is in CUDA memory and torch is not installed; the same holds for the other functions.
    """
    if _is_tensor(image):
        return _on_tensors().resize_pyramid(image, scales, num_threads)
    pixels = _checked_image(image)
    height, width = pixels.shape[:2]
    sizes = [host.level_size(height, width, scale) for scale in scales]
    return host.resize_to_sizes(pixels, sizes, checked_threads(num_threads))


@overload
def crop_pad_resize(
    image: npt.NDArray[np.uint8],
    boxes: npt.ArrayLike,
    size: int,
    border: Border = ...,
    *,
    num_threads: int | None = ...,
) -> tuple[Floats, npt.NDArray[np.bool_]]: ...
@overload
def crop_pad_resize(
    image: Any, boxes: Any, size: int, border: Border = ..., *, num_threads: int | None = ...
) -> tuple[Any, Any]: ...
def crop_pad_resize(
    image: Any, boxes: Any, size: int, border: Border = "zero", *, num_threads: int | None = None
) -> Any:
    """Cut boxes out of an image, resize them to a network's input and normalise them.

    Corners are truncated toward zero and then mean, counted from 1, the first and last column and row of the crop, as
    in the authors' code.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray or tensor
    boxes : (N, 4) array_like
        ``x1, y1, x2, y2`` in pixels, used as float32. They may leave the image, and may hold NaN and infinity.
    size : int
        Side of the crops in pixels: 24 for R-Net, 48 for O-Net; from 1 to 4096.
    border : {"zero", "clip"}
        Whether pixels outside the image are zeros (before they are normalised), or the box is first cut to the image.
    num_threads : int, optional
        Threads that the native module may use; by default as many as the process may.

    Returns
    -------
    crops : (N, 3, size, size) float32 ndarray, or tensor for a tensor
        All zeros where not valid.
    valid : (N,) bool ndarray, or tensor
        False for boxes that have no area, no pixel inside the image, or a corner that is not finite.

    Raises
    ------
    ImageError
        If the image is of another shape or type, or has no pixels.
    ConfigError
        If `boxes` is of another shape or not numeric, or a setting is out of range.
    """
    side = _SIZE("size", size)
    _BORDER("border", border)
    if _is_tensor(image):
        return _on_tensors().crop_pad_resize(image, boxes, side, border, num_threads)
    pixels = _checked_image(image)
    corners = _BOXES("boxes", boxes)
    return host.crop_pad_resize(pixels, corners, side, border, checked_threads(num_threads))


@overload
def batched_nms(
    boxes: npt.NDArray[Any] | Sequence[Any],
    scores: npt.ArrayLike,
    segments: npt.ArrayLike,
    threshold: float,
    mode: Overlap = ...,
) -> npt.NDArray[np.int64]: ...
@overload
def batched_nms(boxes: Any, scores: Any, segments: Any, threshold: float, mode: Overlap = ...) -> Any: ...
def batched_nms(boxes: Any, scores: Any, segments: Any, threshold: float, mode: Overlap = "iou") -> Any:
    """Suppress, within each segment, boxes that overlap one with a higher score.

    Greedy: the best box is kept and suppresses those that overlap it by more than `threshold`; the best of the rest
    follows. Of equal scores, the lower index comes first. A box with a NaN score never survives and suppresses none.

    Parameters
    ----------
    boxes : (N, 4) array_like
        ``x1, y1, x2, y2`` in pixels, used as float32.
    scores : (N,) array_like
        Used as float32.
    segments : (N,) array_like of int
        Boxes suppress each other only within the same segment, such as an image of a batch. Coordinates are used as
        they are: shifting each segment by an offset, as is customary, would lose precision.
    threshold : float
        From 0 to 1, used as float32.
    mode : {"iou", "iomin"}
        Overlap as intersection over union, or as intersection over the smaller area, where boxes include their last
        column and row (1 is added to all widths and heights).

    Returns
    -------
    (M,) int64 ndarray, or tensor for a tensor
        Indices of the boxes that survive, by ascending segment, then descending score, then ascending index.

    Raises
    ------
    ConfigError
        If an array is of another shape or type, or a setting is out of range.
    """
    limit = _THRESHOLD("threshold", threshold)
    _MODE("mode", mode)
    if _is_tensor(boxes):
        return _on_tensors().batched_nms(boxes, scores, segments, limit, mode)
    corners = _BOXES("boxes", boxes)
    count = len(corners)
    values = Array((count,), finite=False, frozen=False)("scores", scores)
    groups = Array((count,), np.int64, frozen=False)("segments", segments)
    return host.batched_nms(corners, values, groups, limit, mode)


def _is_tensor(value: object) -> bool:
    """Tell whether a value is a tensor of torch, or any array in CUDA memory."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return True
    if isinstance(value, np.ndarray):
        return False
    dlpack = getattr(value, "__dlpack_device__", None)
    return hasattr(value, "__cuda_array_interface__") or (dlpack is not None and dlpack()[0] == _DLPACK_CUDA)


def _on_tensors() -> Any:
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("arrays in CUDA memory need torch: pip install 'mtcnn-fast[torch]'")
    from mtcnn_fast.backends.torch import operators

    return operators


def _checked_image(image: object) -> npt.NDArray[np.uint8]:
    accepted = "image must be a (H, W, 3) uint8 array with at least one pixel"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{accepted}, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"{accepted}, got {image.shape} {image.dtype}")
    return np.ascontiguousarray(image)
