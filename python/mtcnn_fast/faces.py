"""`Faces` and `Face`: what a detection returns."""

from __future__ import annotations

import dataclasses
import numbers
import operator
from collections.abc import Iterator, Mapping
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mtcnn_fast.errors import ConfigError

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class Face:
    """One face: its box, score and landmarks, immutable.

    Attributes
    ----------
    box : (4,) float32
        Corners ``x1, y1, x2, y2`` in pixels of the upright image; they may lie outside it.
    score : float
        Face probability, 0 to 1.
    landmarks : (5, 2) float32
        ``x, y`` in pixels of left eye, right eye, nose, left and right corner of the mouth, as they appear in the image
        (the viewer's left first).

    Raises
    ------
    ConfigError
        If an argument has the wrong shape or is not finite.
    """

    box: FloatArray
    score: float
    landmarks: FloatArray

    def __init__(self, box: npt.ArrayLike, score: float, landmarks: npt.ArrayLike) -> None:
        put = object.__setattr__
        put(self, "box", _array("box", box, (4,)))
        put(self, "score", float(_array("score", score, ())))
        put(self, "landmarks", _array("landmarks", landmarks, (5, 2)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        return (
            np.array_equal(self.box, other.box)
            and self.score == other.score
            and np.array_equal(self.landmarks, other.landmarks)
        )

    def __reduce__(self) -> tuple[type[Face], tuple[Any, ...]]:
        # Unpickled arrays are writable: going through the constructor makes them read-only again.
        return Face, (self.box, self.score, self.landmarks)

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.box.tolist()
        return f"Face({x2 - x1:.0f}x{y2 - y1:.0f} at ({x1:.0f}, {y1:.0f}), score {self.score:.4f})"


@dataclasses.dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class Faces:
    """The faces found in one image, immutable.

    Attributes
    ----------
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels of the upright image; they may lie outside it (see `clip`).
    scores : (N,) float32
        Face probabilities, 0 to 1.
    landmarks : (N, 5, 2) float32
        ``x, y`` in pixels of left eye, right eye, nose, left and right corner of the mouth, as they appear in the image
        (the viewer's left first).
    image_size : (width, height)
        Size in pixels of the image that they were found in.
    timings : dict of str to float, or None
        Seconds spent in each stage of the detection, if it was asked for.
    trace : object or None
        Record of the candidates in each stage of the detection, if it was asked for.

    Raises
    ------
    ConfigError
        If an argument has the wrong shape or type, or is not finite.

    Notes
    -----
    The arrays are read-only copies. Equality compares boxes, scores, landmarks and image size exactly, and neither
    timings nor trace, which differ from run to run.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray
    image_size: tuple[int, int]
    timings: dict[str, float] | None
    trace: object | None

    def __init__(
        self,
        boxes: npt.ArrayLike,
        scores: npt.ArrayLike,
        landmarks: npt.ArrayLike,
        image_size: tuple[int, int],
        timings: Mapping[str, float] | None = None,
        trace: object | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "boxes", _array("boxes", boxes, (None, 4)))
        put(self, "scores", _array("scores", scores, (None,)))
        put(self, "landmarks", _array("landmarks", landmarks, (None, 5, 2)))
        counts = len(self.boxes), len(self.scores), len(self.landmarks)
        if len(set(counts)) != 1:
            raise ConfigError("boxes, scores and landmarks must have one row a face, got %d, %d and %d rows" % counts)
        put(self, "image_size", _image_size(image_size))
        put(self, "timings", None if timings is None else dict(timings))
        put(self, "trace", trace)

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Faces:
        """No faces, in an image of this ``(width, height)``."""
        return cls(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)), image_size)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Face]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Face: ...

    @overload
    def __getitem__(self, index: slice | list[int] | list[bool] | npt.NDArray[Any]) -> Faces: ...

    def __getitem__(
        self, index: int | np.integer[Any] | slice | list[int] | list[bool] | npt.NDArray[Any]
    ) -> Face | Faces:
        if isinstance(index, numbers.Integral) and not isinstance(index, bool):
            i = operator.index(index)
            if not -len(self) <= i < len(self):
                raise IndexError(f"face {i} was asked for, but there are {len(self)}")
            return Face(self.boxes[i], float(self.scores[i]), self.landmarks[i])
        chosen = index if isinstance(index, slice) else self._rows(index)
        return self._with(boxes=self.boxes[chosen], scores=self.scores[chosen], landmarks=self.landmarks[chosen])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Faces):
            return NotImplemented
        return (
            self.image_size == other.image_size
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.landmarks, other.landmarks)
        )

    def __reduce__(self) -> tuple[type[Faces], tuple[Any, ...]]:
        # Unpickled arrays are writable: going through the constructor makes them read-only again.
        return Faces, tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def __repr__(self) -> str:
        width, height = self.image_size
        noun = "face" if len(self) == 1 else "faces"
        best = f", best {self.scores.max():.4f}" if len(self) else ""
        return f"Faces({len(self)} {noun} in {width}x{height}{best})"

    def _rows(self, index: object) -> npt.NDArray[Any]:
        """Check a mask or an array of indices, and return the indices of the rows that it chooses."""
        accepted = f"faces are indexed by an integer, a slice, a mask of {len(self)} booleans or a list of integers"
        if isinstance(index, (tuple, bool)):
            raise ConfigError(f"{accepted}, got {index!r}")
        try:
            rows = np.asarray(index)
        except ValueError as error:
            raise ConfigError(f"{accepted}, got {index!r}") from error
        if rows.shape == (0,):
            rows = rows.astype(np.intp)
        if rows.ndim != 1 or rows.dtype.kind not in "biu":
            raise ConfigError(f"{accepted}, got {rows.dtype} of shape {rows.shape}")
        if rows.dtype.kind == "b":
            if len(rows) != len(self):
                raise ConfigError(f"{accepted}, got a mask of {len(rows)}")
            return np.flatnonzero(rows)
        for i in rows.tolist():
            if not -len(self) <= i < len(self):
                raise IndexError(f"face {i} was asked for, but there are {len(self)}")
        return rows.astype(np.intp)

    def _with(self, **changes: Any) -> Faces:
        """Return a copy with some attributes changed; timings and trace stay, as they tell of the same detection."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Faces(**{**values, **changes})


def _array(name: str, value: object, shape: tuple[int | None, ...]) -> FloatArray:
    """Copy to a read-only float32 array of this shape, in which None stands for any length."""
    wanted = "(" + ", ".join("N" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    accepted = f"{name} must be finite numbers of shape {wanted}" if shape else f"{name} must be a finite number"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{accepted}, got {type(value).__name__} that makes no array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ConfigError(f"{accepted}, got {array.dtype} ({type(value).__name__})")
    if array.shape == (0,) and shape and shape[0] is None:
        array = array.reshape(tuple(n or 0 for n in shape))
    if len(array.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ConfigError(f"{accepted}, got shape {array.shape}")
    with np.errstate(over="ignore"):
        result = np.array(array, dtype=np.float32, order="C")
    if not np.isfinite(result).all():
        raise ConfigError(f"{accepted}, got {array[~np.isfinite(result)].flat[0]} among them")
    result.setflags(write=False)
    return result


def _image_size(value: object) -> tuple[int, int]:
    accepted = "image_size must be (width, height) in whole pixels"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ConfigError(f"{accepted}, got {value!r}")
    for n in value:
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0:
            raise ConfigError(f"{accepted}, got {value!r}")
    return int(value[0]), int(value[1])
