"""Detectors behind one call: this package's, for evaluation; `other_detectors` has those of other packages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from mtcnn_fast._types import Image
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.detector import Detector
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import Weights


class System(Protocol):
    """A detector of this or another package."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that its results depend on, as plain objects: a run is continued only with equal ones."""

    def find(self, image: Image, key: str) -> tuple[Detections, Mapping[str, float]]:
        """Return what is found in an image, and the seconds spent in each stage where they are known.

        `key` names the image, for a system that knows something of it beforehand, such as its box.
        """


class DetectorSystem:
    """The detector of this package.

    Parameters
    ----------
    detector : Detector
    weights : Weights
        The networks it uses, which the settings name by their hash.
    name : str or None
        What it is called; by default after its backend.
    """

    def __init__(self, detector: Detector, weights: Weights, name: str | None = None) -> None:
        self._detector = detector
        self._weights = weights
        self.name = name or f"mtcnn-fast, {detector.backend}"

    @property
    def settings(self) -> dict[str, Any]:
        """The detector's settings, its backend and the hash of its networks."""
        config = {
            field.name: getattr(self._detector.config, field.name) for field in dataclasses.fields(DetectorConfig)
        }
        # Threads change the speed, and no result.
        del config["num_threads"]
        return {**config, "backend": self._detector.backend, "sha256": dict(self._weights.sha256)}

    def find(self, image: Image, key: str) -> tuple[Detections, Mapping[str, float]]:
        """Detect with the time of each stage."""
        faces = self._detector.detect(image, profile=True)
        return from_faces(faces), faces.timings or {}


def from_faces(faces: Faces) -> Detections:
    """Turn what this package returns into what its metrics take."""
    return Detections(*(array.astype(np.float64) for array in (faces.boxes, faces.scores, faces.landmarks)))


@dataclasses.dataclass(frozen=True, slots=True)
class SystemOptions:
    """What adapters are told.

    Attributes
    ----------
    yunet, scrfd : str or None
        Model files of the detectors that do not come with their packages.
    cascadecnn : str or None
        Weights of the Cascade CNN: the file, or the folder it is in.
    settings : mapping
        Settings of `Detector`, which other packages of the same cascade are given too where they have them.
    """

    yunet: str | None = None
    scrfd: str | None = None
    cascadecnn: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
