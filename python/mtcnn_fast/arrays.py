"""Checks of arrays and indices that a caller gives."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray, Floats, Indices
from mtcnn_fast.errors import ConfigError


def checked_array(
    name: str, value: object, shape: tuple[int | None, ...], dtype: type[np.floating[Any]] = np.float32
) -> npt.NDArray[Any]:
    """Copy numbers to a read-only, C-contiguous array of a stated shape.

    Parameters
    ----------
    name : str
        What the caller calls the argument; the error message starts with it.
    value : array_like
        Finite integers or floats.
    shape : tuple of int or None
        Accepted shape; ``None`` stands for any length. Where the first length is free, an empty list is accepted too.
    dtype : type
        Float type of the result.

    Returns
    -------
    array : ndarray of `dtype`
        Read-only and independent of `value`.

    Raises
    ------
    ConfigError
        If `value` is not numeric, not finite in `dtype`, or of another shape.
    """
    array = _numeric(name, value, shape)
    if array.dtype == dtype:
        result = array.copy(order="C")
    else:
        with np.errstate(over="ignore"):
            result = array.astype(dtype, order="C")
    finite = np.isfinite(result)
    if not finite.all():
        raise ConfigError(f"{_accepted(name, shape)}, got {float(array[~finite].flat[0])}")
    result.setflags(write=False)
    return result


def _numeric(name: str, value: object, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """View numbers of any type as an array of the stated shape, or raise `ConfigError`."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise ConfigError(f"{_accepted(name, shape)}, got a {kind} that makes no array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ConfigError(f"{_accepted(name, shape)}, got {array.dtype} ({type(value).__name__})")
    if array.shape == (0,) and shape and shape[0] is None:
        array = array.reshape(tuple(n or 0 for n in shape))
    if not _fits(array.shape, shape):
        raise ConfigError(f"{_accepted(name, shape)}, got shape {_shape_text(array.shape)}")
    return array


def _fits(given: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(given) == len(shape) and all(n is None or n == m for n, m in zip(shape, given, strict=True))


def _accepted(name: str, shape: tuple[int | None, ...]) -> str:
    if not shape:
        return f"{name} must be a finite number"
    return f"{name} must be finite numbers of shape {_shape_text(shape)}"


def row_indices(index: object, count: int) -> int | npt.NDArray[np.intp]:
    """Check what chooses rows: an integer, a mask, or a list of integers.

    Parameters
    ----------
    index : int, (count,) bool or (M,) int
        Negative integers count from the end.
    count : int
        Number of rows there are.

    Returns
    -------
    rows : int or (M,) intp
        An integer for an integer, else the rows in the order in which they are chosen.

    Raises
    ------
    ConfigError
        If `index` is something else, or a mask of another length.
    IndexError
        If an integer is out of range.
    """
    accepted = f"index must be an integer, a slice, a mask of {count} booleans or a list of integers"
    try:
        rows = np.asarray(index)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{accepted}, got {index!r}") from error
    if rows.shape == (0,):
        rows = rows.astype(np.intp)
    # A tuple is what `faces[0, 1]` passes: two dimensions were meant, and there is one.
    kinds = "iu" if rows.ndim == 0 else "iub"
    if isinstance(index, tuple) or rows.ndim > 1 or rows.dtype.kind not in kinds:
        raise ConfigError(f"{accepted}, got {index!r}")
    if rows.dtype.kind == "b":
        if len(rows) != count:
            raise ConfigError(f"{accepted}, got a mask of {len(rows)}")
        return np.flatnonzero(rows)
    outside = rows[(rows < -count) | (rows >= count)]
    if outside.size:
        raise IndexError(f"there is no row {outside.flat[0]}, only {count}")
    return operator.index(rows) if rows.ndim == 0 else rows.astype(np.intp)


def _shape_text(shape: tuple[int | None, ...]) -> str:
    lengths = ", ".join("N" if n is None else str(n) for n in shape)
    return f"({lengths},)" if len(shape) == 1 else f"({lengths})"


def _array_of(name: str, value: object, shape: tuple[int | None, ...], kinds: str) -> AnyArray:
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


def checked_floats(name: str, value: object, shape: tuple[int | None, ...]) -> Floats:
    """Return numbers, finite or not, of a stated shape as a contiguous float32 array, or raise `ConfigError`."""
    array = _array_of(name, value, shape, "fiu")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def checked_segments(value: object, count: int) -> Indices:
    """Return the segments of `count` boxes as a contiguous int64 array, or raise `ConfigError`."""
    array = _array_of("segments", value, (count,), "iu")
    if array.dtype == np.uint64 and np.any(array > np.iinfo(np.int64).max):
        raise ConfigError(f"segments must fit int64, got {array.max()}")
    return np.ascontiguousarray(array, dtype=np.int64)
