"""The cascade's building blocks on arrays: pyramid, crops and non-maximum suppression.

Each runs in C++ where the native module is available and in numpy elsewhere, with equal results to the last bit. Their
definitions are in ``docs/semantics.md``.

Tensors of torch on the CPU or CUDA, and other arrays in CUDA memory (by DLPack or ``__cuda_array_interface__``), are
taken where they are, all of them on one device, and give tensors there. On CUDA the side of a crop is at most 256.
"""

from __future__ import annotations

import importlib.util
import math
import numbers
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Literal, cast, get_args, overload

import numpy as np
import numpy.typing as npt

from mtcnn_fast._native import find_native, warn_slow
from mtcnn_fast.config import BORDERS, Border
from mtcnn_fast.errors import ConfigError, ImageError, MissingExtraError

__all__ = ["batched_nms", "crop_pad_resize", "resize_pyramid"]

Overlap = Literal["iou", "iomin"]
Floats = npt.NDArray[np.float32]

#: Largest side of a crop, and of a level of a pyramid, in pixels.
MAX_CROP = 4096
MAX_LEVEL = 2**30
MAX_THREADS = 1024

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
    sizes = [scaled_size(height, width, scale) for scale in scales]
    return resize_to_sizes(pixels, sizes, checked_threads(num_threads))


def resize_to_sizes(pixels: npt.NDArray[np.uint8], sizes: Sequence[tuple[int, int]], num_threads: int) -> list[Floats]:
    """Resize as `resize_pyramid` does, to levels of given height and width; nothing is checked."""
    native = _native()
    if native is not None:
        return cast("list[Floats]", native.resize_pyramid(pixels, list(sizes), num_threads))
    from mtcnn_fast.backends import numpy_ops

    integral = numpy_ops.integral_image(pixels)
    return [numpy_ops.resize(integral, *size) for size in sizes]


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
    side = _checked_count("size", size, MAX_CROP)
    if border not in BORDERS:
        raise ConfigError(f"border must be 'zero' or 'clip', got {border!r}")
    if _is_tensor(image):
        return _on_tensors().crop_pad_resize(image, boxes, side, border, num_threads)
    pixels = _checked_image(image)
    corners = _checked_floats("boxes", boxes, (None, 4))
    native = _native()
    threads = checked_threads(num_threads)
    if native is not None:
        result = native.crop_pad_resize(pixels, corners, side, border == "zero", threads)
        return cast("tuple[Floats, npt.NDArray[np.bool_]]", result)
    from mtcnn_fast.backends import numpy_ops

    return numpy_ops.crop(numpy_ops.integral_image(pixels), corners, side, border)


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
    limit = _checked_number("threshold", threshold, "a number from 0 to 1")
    if not 0 <= limit <= 1:
        raise ConfigError(f"threshold must be a number from 0 to 1, got {threshold!r}")
    if mode not in get_args(Overlap):
        raise ConfigError(f"mode must be 'iou' or 'iomin', got {mode!r}")
    if _is_tensor(boxes):
        return _on_tensors().batched_nms(boxes, scores, segments, limit, mode)
    corners = _checked_floats("boxes", boxes, (None, 4))
    count = len(corners)
    values = _checked_floats("scores", scores, (count,))
    groups = _checked_segments(segments, count)
    native = _native()
    if native is not None:
        return cast("npt.NDArray[np.int64]", native.batched_nms(corners, values, groups, limit, mode == "iomin"))
    from mtcnn_fast.backends import numpy_ops

    # Boxes without area overlap by 0 / 0, and far ones by infinities.
    with np.errstate(all="ignore"):
        return numpy_ops.batched_nms(corners, values, groups, limit, mode)


def _native() -> ModuleType | None:
    """Return the native module, or None and say once that numpy does its work."""
    module, problem = find_native()
    if module is None:
        warn_slow(problem)
    return module


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
    from mtcnn_fast.backends import torch_library

    return torch_library


def _checked_image(image: object) -> npt.NDArray[np.uint8]:
    accepted = "image must be a (H, W, 3) uint8 array with at least one pixel"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{accepted}, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"{accepted}, got {image.shape} {image.dtype}")
    return np.ascontiguousarray(image)


def _checked_array(name: str, value: object, shape: tuple[int | None, ...], kinds: str) -> npt.NDArray[Any]:
    lengths = ", ".join("N" if n is None else str(n) for n in shape) + "," * (len(shape) == 1)
    accepted = f"{name} must be {'whole numbers' if kinds == 'iu' else 'numbers'} of shape ({lengths})"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{accepted}, got a {type(value).__name__} that makes no array: {error}") from error
    if array.shape == (0,) and shape[0] in (None, 0):
        # An empty list tells neither the length of its rows nor its type.
        array = np.empty([n or 0 for n in shape], dtype=kinds[0] + "8")
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ConfigError(f"{accepted}, got shape {array.shape}")
    if array.dtype.kind not in kinds:
        raise ConfigError(f"{accepted}, got {array.dtype}")
    return array


def _checked_floats(name: str, value: object, shape: tuple[int | None, ...]) -> Floats:
    array = _checked_array(name, value, shape, "fiu")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _checked_segments(value: object, count: int) -> npt.NDArray[np.int64]:
    array = _checked_array("segments", value, (count,), "iu")
    if array.dtype == np.uint64 and np.any(array > np.iinfo(np.int64).max):
        raise ConfigError(f"segments must fit int64, got {array.max()}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _checked_number(name: str, value: object, accepted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be {accepted}, got {value!r} ({type(value).__name__})")
    return float(value)


def _checked_count(name: str, value: object, most: int) -> int:
    accepted = f"{name} must be a whole number from 1 to {most}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{accepted}, got {value!r} ({type(value).__name__})")
    count = int(value)
    if not 1 <= count <= most:
        raise ConfigError(f"{accepted}, got {value!r}")
    return count


def checked_threads(value: int | None) -> int:
    """Return the number of threads that a `num_threads` asks for."""
    native = _native()
    if value is not None:
        return _checked_count("num_threads", value, MAX_THREADS)
    return 1 if native is None else min(int(native.available_threads()), MAX_THREADS)


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return height and width of a level, its scale checked."""
    value = _checked_number("each scale", scale, "a finite number above 0")
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"each scale must be a finite number above 0, got {scale!r}")
    if max(height, width) * value + 1 > MAX_LEVEL:
        raise ConfigError(f"each scale must make at most {MAX_LEVEL} pixels a side, got {scale!r} for {width}x{height}")
    return int(height * value + 1), int(width * value + 1)
