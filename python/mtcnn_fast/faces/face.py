"""`Face`: one of the faces of a detection."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast.checks.arrays import Array

_BOX = Array((4,))
_SCORE = Array(())
_LANDMARKS = Array((5, 2))


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

    box: npt.NDArray[np.float32]
    score: float
    landmarks: npt.NDArray[np.float32]

    def __init__(self, box: npt.ArrayLike, score: float, landmarks: npt.ArrayLike) -> None:
        put = object.__setattr__
        put(self, "box", _BOX("box", box))
        put(self, "score", float(_SCORE("score", score)))
        put(self, "landmarks", _LANDMARKS("landmarks", landmarks))

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
