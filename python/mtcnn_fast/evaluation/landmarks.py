"""Alignment: errors of the five landmarks, relative to the face, and what they add up to."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.landmark_lists import LandmarkFace
from mtcnn_fast.datasets.textfiles import TextFile, first_word
from mtcnn_fast.errors import DataError
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.files import write_text

POINTS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")

#: Error above which a face counts as a failure, as a part of the distance that errors are divided by.
FAILURE = 0.10

#: Errors at which the cumulative curve is tabulated.
CURVE = np.linspace(0, 0.30, 301)

#: A detection is taken for the annotated face from this overlap on. Data sets draw boxes differently tight, so it is
#: less than the 0.5 of detection benchmarks.
LEAST_OVERLAP = 0.3


def read_landmark_predictions(path: str | os.PathLike[str], known: Sequence[str]) -> dict[str, Doubles | None]:
    """Read found landmarks: a row is ``path x1 y1 … x5 y5``, or the path alone where no face was found.

    Raises
    ------
    DataError
        If a path is unknown or comes twice, or a row is not of this form.
    """
    names = frozenset(known)
    found: dict[str, Doubles | None] = {}
    file = TextFile(path)
    while not file.at_end:
        name, rest = first_word(file.take("a row"))
        if name not in names:
            raise file.error(f"the annotation has no image {name!r}")
        if name in found:
            raise file.error(f"the image {name!r} comes twice")
        row = file.numbers(rest, 10, "path x1 y1 … x5 y5") if rest else None
        found[name] = None if row is None else np.array(row).reshape(5, 2)
    return found


def write_landmark_predictions(path: str | os.PathLike[str], found: Mapping[str, Doubles | None]) -> None:
    """Write what `read_landmark_predictions` reads."""
    rows = [
        " ".join([name, *(f"{value:.17g}" for value in (() if points is None else points.ravel().tolist()))])
        for name, points in found.items()
    ]
    write_text(path, "\n".join(rows) + "\n")


def choose_face(found: Detections, box: Doubles) -> Doubles | None:
    """Return the landmarks ``(5, 2)`` of the detection that overlaps a box most, or None if none does enough."""
    if found.landmarks is None or not len(found):
        return None
    overlaps = iou_matrix(found.boxes, box[None], inclusive=False)[:, 0]
    best = int(overlaps.argmax())
    return found.landmarks[best] if overlaps[best] >= LEAST_OVERLAP else None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LandmarkResult:
    """Errors of the landmarks of a set of faces.

    Attributes
    ----------
    errors : dict of str to (N, 5) float64
        For each way of measuring, distances between found and annotated points as a part of the face's own measure:
        ``inter-ocular`` divides by the distance between the eyes, ``face size`` by the root of the box's area. NaN
        where no face was found.
    """

    errors: dict[str, Doubles]

    @property
    def faces(self) -> int:
        """Annotated faces."""
        return len(next(iter(self.errors.values())))

    @property
    def missed(self) -> int:
        """Faces that were not found."""
        return int(np.isnan(next(iter(self.errors.values()))[:, 0]).sum())

    def per_face(self, measure: str) -> Doubles:
        """Return the mean error of each found face's five points."""
        errors = self.errors[measure]
        return np.asarray(errors[~np.isnan(errors[:, 0])].mean(axis=1))

    def cumulative(self, measure: str) -> Doubles:
        """Return the part of all faces whose error is at most that of `CURVE`; faces not found never are."""
        return np.searchsorted(np.sort(self.per_face(measure)), CURVE, side="right") / self.faces

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain objects."""
        return {
            "faces": self.faces,
            "missed": self.missed,
            **{measure.replace("-", "_").replace(" ", "_"): self._figures(measure) for measure in self.errors},
        }

    def _figures(self, measure: str) -> dict[str, Any]:
        means = self.per_face(measure)
        failures = int(np.sum(means > FAILURE))
        if not len(means):
            nothing = dict.fromkeys(POINTS)
            return {"mean": None, "median": None, "failure_rate": 1.0, "failure_rate_of_found": None, "points": nothing}
        points = np.nanmean(self.errors[measure], axis=0)
        return {
            "mean": float(means.mean()),
            "median": float(np.median(means)),
            "failure_rate": (failures + self.missed) / self.faces,
            "failure_rate_of_found": failures / len(means),
            "points": dict(zip(POINTS, points.tolist(), strict=True)),
        }


def score_landmarks(faces: Sequence[LandmarkFace], found: Mapping[str, Doubles | None]) -> LandmarkResult:
    """Measure landmarks against the annotation.

    Parameters
    ----------
    faces : sequence of LandmarkFace
    found : mapping of str to (5, 2) float64 or None
        The landmarks found in each image, by `LandmarkFace.path`; None where the face was not found.

    Returns
    -------
    LandmarkResult

    Raises
    ------
    DataError
        If there is no face, or an image has no entry in `found`.
    """
    if not faces:
        raise DataError("there is no face to score")
    missing = [face.path for face in faces if face.path not in found]
    if missing:
        raise DataError(f"there are no landmarks for {len(missing)} of {len(faces)} images, such as {missing[0]!r}")
    nowhere = np.full((5, 2), np.nan)
    annotated = np.stack([face.points for face in faces])
    points = np.stack([nowhere if (place := found[face.path]) is None else place for face in faces])
    boxes = np.stack([face.box for face in faces])
    distances = np.linalg.norm(points - annotated, axis=2)
    measures = {
        "inter-ocular": np.linalg.norm(annotated[:, 0] - annotated[:, 1], axis=1),
        "face size": np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)),
    }
    return LandmarkResult({name: distances / measure[:, None] for name, measure in measures.items()})
