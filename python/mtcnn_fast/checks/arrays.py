"""Checks of arrays and indices that a caller gives."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from mtcnn_fast.checks.values import shown
from mtcnn_fast.errors import ConfigError

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Array:
    """Numbers of a stated shape, as an array.

    Attributes
    ----------
    shape : tuple of int or None
        ``None`` stands for any length. Where the first length is free or 0, an empty list is accepted too.
    dtype : type
        Type of the result. An integer type accepts whole numbers only.
    finite : bool
        Whether NaN and infinity, also those that a number becomes in `dtype`, are refused.
    frozen : bool
        Whether the result is a read-only copy; else it may share memory with what was given.
    """

    shape: Shape
    dtype: type[np.generic] = np.float32
    finite: bool = True
    frozen: bool = True

    @property
    def accepted(self) -> str:
        """``finite numbers of shape (N, 4)``, say."""
        noun = "whole number" if self._whole else "finite number" if self.finite else "number"
        return f"{noun}s of shape {shape_text(self.shape)}" if self.shape else f"a {noun}"

    def __call__(self, name: str, value: object) -> npt.NDArray[Any]:
        """Return a C-contiguous array of `shape` and `dtype`.

        Parameters
        ----------
        name : str
            What the caller calls the argument; the message starts with it.
        value : array_like

        Raises
        ------
        ConfigError
            If `value` is not numeric, of another shape, or not finite where it must be.
        """
        array = value if self._fits_as_it_is(value) else self._numbers(name, value)
        if array.dtype.type is self.dtype and array.dtype.isnative:
            result = array.copy(order="C") if self.frozen else np.ascontiguousarray(array)
        else:
            with np.errstate(over="ignore"):
                result = array.astype(self.dtype, order="C")
        if self.finite and not self._whole:
            finite = np.isfinite(result)
            if not finite.all():
                raise ConfigError(f"{name} must be {self.accepted}, got {float(array[~finite].flat[0])}")
        if self.frozen:
            result.setflags(write=False)
        return result

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape is accepted."""
        given = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(length in (None, n) for length, n in given)

    def _fits_as_it_is(self, value: object) -> TypeGuard[npt.NDArray[Any]]:
        """Tell an array of the right type and shape, as backends give, at a fraction of the time of a full check."""
        return type(value) is np.ndarray and value.dtype.type is self.dtype and self.fits(value.shape)

    def _numbers(self, name: str, value: object) -> npt.NDArray[Any]:
        """View numbers of any type as an array of the stated shape, or raise `ConfigError`."""
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = type(value).__name__
            raise ConfigError(f"{name} must be {self.accepted}, got a {kind} that makes no array: {error}") from error
        if array.shape == (0,) and self.shape and self.shape[0] in (None, 0):
            # An empty list shows neither the length of its rows nor its type.
            array = array.reshape([n or 0 for n in self.shape])
            if self._whole or isinstance(value, (list, tuple)):
                array = array.astype(self.dtype)
        if array.dtype.kind not in ("iu" if self._whole else "fiu"):
            raise ConfigError(f"{name} must be {self.accepted}, got {array.dtype} ({type(value).__name__})")
        if not self.fits(array.shape):
            raise ConfigError(f"{name} must be {self.accepted}, got shape {shape_text(array.shape)}")
        if self._whole and array.size and not np.can_cast(array.dtype, self.dtype):
            limits = np.iinfo(self.dtype)  # type: ignore[type-var]
            for extreme in (array.min(), array.max()):
                if not limits.min <= int(extreme) <= limits.max:
                    raise ConfigError(f"{name} must fit {np.dtype(self.dtype)}, got {extreme}")
        return array

    @property
    def _whole(self) -> bool:
        return issubclass(self.dtype, np.integer)


def row_indices(index: object, count: int) -> int | npt.NDArray[np.intp]:
    """Check an index into rows: an integer, a mask, or a list of integers.

    Parameters
    ----------
    index : int, (count,) bool or (M,) int
        Negative integers count from the end.
    count : int
        Number of rows.

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
        raise ConfigError(f"{accepted}, got {shown(index)}") from error
    if rows.shape == (0,):
        rows = rows.astype(np.intp)
    # `faces[0, 1]` passes a tuple: its two dimensions do not exist.
    kinds = "iu" if rows.ndim == 0 else "iub"
    if isinstance(index, tuple) or rows.ndim > 1 or rows.dtype.kind not in kinds:
        raise ConfigError(f"{accepted}, got {shown(index)}")
    if rows.dtype.kind == "b":
        if len(rows) != count:
            raise ConfigError(f"{accepted}, got a mask of {len(rows)}")
        return np.flatnonzero(rows)
    outside = rows[(rows < -count) | (rows >= count)]
    if outside.size:
        raise IndexError(f"there is no row {outside.flat[0]}, only {count}")
    return operator.index(rows) if rows.ndim == 0 else rows.astype(np.intp)


def shape_text(shape: Shape) -> str:
    """Write a shape as Python does, with ``N`` for any length."""
    lengths = ", ".join("N" if n is None else str(n) for n in shape)
    return f"({lengths},)" if len(shape) == 1 else f"({lengths})"
