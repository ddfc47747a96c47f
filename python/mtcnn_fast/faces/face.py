"""`Face`: one of the faces of a detection."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.errors import MisuseError
from mtcnn_fast.faces import geometry
from mtcnn_fast.migration import FACE, missing_attribute

_BOX = Array((4,))
_SCORE = Array(())
_LANDMARKS = Array((5, 2))
_ID = Array((), np.int64)


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
    id : int or None
        Number of the face's track in a video; None where faces are not tracked.

    Raises
    ------
    ConfigError
        If an argument has the wrong shape or is not finite.
    """

    box: npt.NDArray[np.float32]
    score: float
    landmarks: npt.NDArray[np.float32]
    id: int | None

    def __init__(self, box: npt.ArrayLike, score: float, landmarks: npt.ArrayLike, id: int | None = None) -> None:
        put = object.__setattr__
        put(self, "box", _BOX("box", box))
        put(self, "score", float(_SCORE("score", score)))
        put(self, "landmarks", _LANDMARKS("landmarks", landmarks))
        put(self, "id", None if id is None else int(_ID("id", id)))

    @property
    def x1(self) -> float:
        """Left edge of the box in pixels."""
        return float(self.box[0])

    @property
    def y1(self) -> float:
        """Upper edge."""
        return float(self.box[1])

    @property
    def x2(self) -> float:
        """Right edge."""
        return float(self.box[2])

    @property
    def y2(self) -> float:
        """Lower edge."""
        return float(self.box[3])

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height of the box in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float(geometry.areas(self.box[None])[0])

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, x and y in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    @property
    def left_eye(self) -> tuple[float, float]:
        """The eye that is on the left in the image, x and y in pixels."""
        return self._point(0)

    @property
    def right_eye(self) -> tuple[float, float]:
        """The eye that is on the right in the image."""
        return self._point(1)

    @property
    def nose(self) -> tuple[float, float]:
        """Tip of the nose."""
        return self._point(2)

    @property
    def left_mouth(self) -> tuple[float, float]:
        """The corner of the mouth that is on the left in the image."""
        return self._point(3)

    @property
    def right_mouth(self) -> tuple[float, float]:
        """The corner of the mouth that is on the right in the image."""
        return self._point(4)

    @property
    def roll(self) -> float:
        """Degrees by which the face is turned in the image plane; positive where the right eye is the lower one."""
        return float(geometry.roll(self.landmarks[None])[0])

    @property
    def frontalness(self) -> float:
        """1 for a face seen from the front, 0 for a profile; see `mtcnn_fast.faces.geometry.frontalness`."""
        return float(geometry.frontalness(self.landmarks[None])[0])

    if not TYPE_CHECKING:  # a checker of types reports these itself

        def __getattr__(self, name: str) -> NoReturn:
            missing_attribute(self, name, FACE)

        def __iter__(self) -> NoReturn:
            raise MisuseError(
                "a Face has several parts; face.box is x1, y1, x2, y2, face.score a number, face.landmarks (5, 2); "
                "detect returns Faces, of which faces.boxes, faces.scores and faces.landmarks are arrays"
            )

        def __getitem__(self, name: object) -> NoReturn:
            # ``face["box"]`` of the package mtcnn, and ``boxes[0]`` after ``boxes, scores = ...`` of two faces.
            raise MisuseError(
                f"a Face has attributes, not items, got [{name!r}]; use face.box (x1, y1, x2, y2), face.score and "
                "face.landmarks (5, 2)"
            )

    def _point(self, index: int) -> tuple[float, float]:
        return float(self.landmarks[index, 0]), float(self.landmarks[index, 1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        return (
            np.array_equal(self.box, other.box)
            and self.score == other.score
            and np.array_equal(self.landmarks, other.landmarks)
            and self.id == other.id
        )

    def __reduce__(self) -> tuple[type[Face], tuple[Any, ...]]:
        # Unpickled arrays are writable: going through the constructor makes them read-only again.
        return Face, (self.box, self.score, self.landmarks, self.id)

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.box.tolist()
        track = "" if self.id is None else f", id {self.id}"
        return f"Face({x2 - x1:.0f}x{y2 - y1:.0f} at ({x1:.0f}, {y1:.0f}), score {self.score:.4f}{track})"
