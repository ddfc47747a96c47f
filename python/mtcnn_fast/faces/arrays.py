"""`FaceArrays`: the arrays of a detection, checked and immutable."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Indices, Pixels
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces.trace import Trace

_BOXES = Array((None, 4))
_SCORES = Array((None,))
_LANDMARKS = Array((None, 5, 2))
_IDS = Array((None,), np.int64)

SelfT = TypeVar("SelfT", bound="FaceArrays")


@dataclasses.dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class FaceArrays:
    """Boxes, scores and landmarks of the faces in one image, immutable.

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
    trace : mtcnn_fast.faces.trace.Trace, or None
        Candidates in each stage of the detection, if they were asked for.
    image : (H, W, 3) uint8, or None
        The upright RGB image, if it was kept; methods that need an image take this one where they get none.
    ids : (N,) int64, or None
        Number of each face's track, the same in all frames of a video; None where faces are not tracked.

    Raises
    ------
    ConfigError
        If an argument has the wrong shape or type, or is not finite.

    Notes
    -----
    The arrays are read-only copies. Equality compares boxes, scores, landmarks, ids and image size exactly, and not
    timings, trace and the kept image.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats
    image_size: tuple[int, int]
    timings: dict[str, float] | None
    trace: object | None
    image: Pixels | None
    ids: Indices | None

    def __init__(
        self,
        boxes: npt.ArrayLike,
        scores: npt.ArrayLike,
        landmarks: npt.ArrayLike,
        image_size: tuple[int, int],
        timings: Mapping[str, float] | None = None,
        trace: object | None = None,
        image: Pixels | None = None,
        ids: npt.ArrayLike | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "boxes", _BOXES("boxes", boxes))
        put(self, "scores", _SCORES("scores", scores))
        put(self, "landmarks", _LANDMARKS("landmarks", landmarks))
        counts = len(self.boxes), len(self.scores), len(self.landmarks)
        if len(set(counts)) != 1:
            raise ConfigError(f"boxes, scores and landmarks must have as many rows each, got {counts}")
        put(self, "image_size", _image_size(image_size))
        put(self, "timings", None if timings is None else dict(timings))
        put(self, "trace", trace)
        put(self, "image", image)
        put(self, "ids", None if ids is None else _IDS("ids", ids))
        if self.ids is not None and len(self.ids) != len(self.scores):
            raise ConfigError(f"ids must have a row for each of the {len(self.scores)} faces, got {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.scores)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceArrays):
            return NotImplemented
        return (
            self.image_size == other.image_size
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.landmarks, other.landmarks)
            and (not len(self) or _equal_ids(self.ids, other.ids))
        )

    def __reduce__(self) -> tuple[type[FaceArrays], tuple[Any, ...]]:
        # Unpickled arrays are writable: going through the constructor makes them read-only again.
        return type(self), tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def _with(self: SelfT, **changes: Any) -> SelfT:
        """Return a copy with some attributes changed; timings and trace stay, as they belong to the same detection."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(**{**values, **changes})

    def _with_settings(self: SelfT, settings: DetectorConfig) -> SelfT:
        """Return the faces with the settings of their detection beside its trace; without a trace, the same faces."""
        return self._with(trace=Trace(self.trace, settings)) if isinstance(self.trace, list) else self


def _equal_ids(first: Indices | None, second: Indices | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def _image_size(value: object) -> tuple[int, int]:
    accepted = "image_size must be (width, height) in whole pixels"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ConfigError(f"{accepted}, got {value!r}")
    for n in value:
        if type(n) is int and n >= 0:
            continue
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0:
            raise ConfigError(f"{accepted}, got {value!r}")
    return int(value[0]), int(value[1])
