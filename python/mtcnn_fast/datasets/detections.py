"""What a detector found in an image, in the form that every metric takes."""

from __future__ import annotations

import dataclasses

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.errors import DataError


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found in one image, from any detector.

    Attributes
    ----------
    boxes : (N, 4) float64
        Corners ``x1, y1, x2, y2`` in pixels.
    scores : (N,) float64
        Confidences, on any scale; higher is more certain.
    landmarks : (N, 5, 2) float64 or None
        Left eye, right eye, nose, left and right corner of the mouth, where the detector gives them.

    Raises
    ------
    DataError
        If shapes disagree or a number is not finite.
    """

    boxes: Doubles
    scores: Doubles
    landmarks: Doubles | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float64).reshape(-1)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)
        arrays = {"boxes": boxes, "scores": scores}
        if self.landmarks is not None:
            landmarks = np.asarray(self.landmarks, np.float64).reshape(-1, 5, 2)
            object.__setattr__(self, "landmarks", landmarks)
            arrays["landmarks"] = landmarks
        if len({len(array) for array in arrays.values()}) != 1:
            counts = ", ".join(f"{len(array)} {name}" for name, array in arrays.items())
            raise DataError(f"detections must have as many rows of each kind, got {counts}")
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise DataError(f"{name} of detections must be finite numbers")

    @classmethod
    def none(cls) -> Detections:
        """No detections."""
        return cls(np.empty((0, 4)), np.empty(0))

    def __len__(self) -> int:
        return len(self.scores)

    def by_score(self) -> Detections:
        """Return them with the highest score first; equal scores keep their order."""
        order = np.argsort(-self.scores, kind="stable")
        landmarks = None if self.landmarks is None else self.landmarks[order]
        return Detections(self.boxes[order], self.scores[order], landmarks)


def widths_to_corners(rows: Doubles) -> Doubles:
    """Turn rows ``x, y, width, height`` into ``x1, y1, x2, y2`` with ``x2 = x + width``."""
    return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)


def corners_to_widths(boxes: Doubles) -> Doubles:
    """Undo `widths_to_corners`."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)
