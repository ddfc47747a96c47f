"""How new weights compare with the shipped ones on images of WIDER FACE that a configuration names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast._paths import is_file
from mtcnn_fast.config import DEFAULTS
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.widerface import WiderImage, read_widerface_images
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.images import load_image
from mtcnn_fast.training.samples.proposals import cpu_device

#: O-Net's threshold for the whole curve: at the default one it ends where the score is 0.7.
LOW = 0.01


@dataclasses.dataclass(frozen=True, slots=True)
class ValidationSet:
    """Images of WIDER FACE with their annotation.

    Attributes
    ----------
    annotation : Path
        The folder ``ground_truth`` of the official tools, or a text file.
    images : Path
        The folder with the events' folders. Annotated images that are not there are passed over.
    """

    annotation: Path
    images: Path

    def present(self) -> list[tuple[WiderImage, Path]]:
        """Return the annotated images that are there, and their files.

        Raises
        ------
        DataError
            If there are none, or the annotation cannot be read.
        """
        named = [(image, self.images / f"{image.key}.jpg") for image in read_widerface_images(self.annotation)]
        found = [(image, path) for image, path in named if is_file(path)]
        if not found:
            message = f"none of the {len(named)} annotated images is there"
            raise file_error(DataError, missing_file(self.images), message, self.images)
        return found


def compare_weights(
    validation: ValidationSet, weights: str | os.PathLike[str], against: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Score weights beside others.

    Parameters
    ----------
    validation : ValidationSet
    weights : path-like or str
        As `Detector` takes them.
    against : path-like, str or None
        Likewise; None takes those that come with the package.

    Returns
    -------
    dict
        ``label``, what was scored; for ``trained`` and ``shipped`` each the ``average_precision`` at the default
        settings and as ``whole_curve`` with 0.01 as O-Net's threshold, and ``false_positives`` at the default settings:
        detections that overlap no annotated face by half.
    """
    images = validation.present()
    report: dict[str, Any] = {}
    for name, given in (("trained", weights), ("shipped", against)):
        thresholds = (*DEFAULTS.thresholds[:2], LOW)
        # Processes and threads are for training; the figures do not depend on them.
        with Detector(cpu_device(), weights=given, thresholds=thresholds, num_threads=1) as detector:
            found = {image.key: _detections(detector, path) for image, path in images}
        report[name] = _figures([image for image, _ in images], found)
        report["label"] = report[name].pop("label")
    return report


def _detections(detector: Detector, path: Path) -> Detections:
    faces = detector.detect(load_image(path))
    return Detections(faces.boxes.astype(np.float64), faces.scores.astype(np.float64))


def _figures(images: Sequence[WiderImage], found: dict[str, Detections]) -> dict[str, Any]:
    usual = DEFAULTS.thresholds[2]
    # A threshold only leaves out: what is above it was found by a detection with that threshold too, since boxes are
    # suppressed by better ones alone.
    above = {key: _above(each, usual) for key, each in found.items()}
    result = score_widerface(images, above)
    return {
        "label": result.label,
        "average_precision": result.average_precision,
        "whole_curve": score_widerface(images, found).average_precision,
        "false_positives": sum(_wrong(image, above[image.key]) for image in images),
    }


def _above(found: Detections, threshold: float) -> Detections:
    kept = found.scores > threshold
    return Detections(found.boxes[kept], found.scores[kept])


def _wrong(image: WiderImage, found: Detections) -> int:
    overlap = iou_matrix(found.boxes, image.boxes, inclusive=False).max(axis=1, initial=0.0)
    return int(np.count_nonzero(overlap < 0.5))
