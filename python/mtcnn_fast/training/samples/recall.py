"""How many faces each stage still has: what a stage loses, none after it can find again."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._native import usable_processors
from mtcnn_fast.checks import Count
from mtcnn_fast.config import DEFAULTS, DetectorConfig
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import DataError
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.images import load_image
from mtcnn_fast.training.samples.proposals import cpu_device, traced_boxes
from mtcnn_fast.training.samples.windows import AnnotatedFaces
from mtcnn_fast.training.samples.workers import run

if TYPE_CHECKING:
    from mtcnn_fast.detector import Detector
    from mtcnn_fast.weights import Weights

#: Steps of a detection's trace after each network, by the network's letter.
STEPS = {"p": "proposals", "r": "refinement", "o": "output"}

#: Overlaps at which a face counts as covered.
OVERLAPS = (0.4, 0.5, 0.65)

_CHUNK = 8

# Best overlap of each face and number of boxes, for each stage.
_Found = dict[str, tuple[npt.NDArray[np.float64], int]]


def stage_recall(
    records: Iterable[FaceRecord],
    weights: str | os.PathLike[str] | Weights | None = None,
    *,
    config: DetectorConfig = DEFAULTS,
    min_face: float | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Measure which share of the annotated faces each stage's boxes cover.

    Parameters
    ----------
    records : iterable of FaceRecord
        Images that were not trained on.
    weights : path-like, str, Weights or None
        As `Detector` takes them.
    config : DetectorConfig
        Of the detection; `num_threads` is not used.
    min_face : float or None
        Longer side in pixels of the smallest face that counts; None takes `config.min_face_size`. Faces that are
        ignored do not count.
    workers : int or None
        Processes; None takes as many as there are processors.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Returns
    -------
    dict
        ``images``, ``faces``, ``min_face``, and ``stages``: for ``p``, ``r`` and ``o`` the number of ``boxes`` an image
        and ``recall``, the share of faces that a box overlaps by at least each of `OVERLAPS` (intersection over union).
        Boxes of P-Net and R-Net are as the next stage gets them, hence square: they overlap a face of r times its width
        in height by at most ``1 / (2 sqrt(r) - 1)``. Recall is None where no face counts.

    Raises
    ------
    DataError
        If there are no records.
    ImageError
        If an image cannot be read.
    WeightsError
        If the weights are missing, damaged or of the wrong form.
    """
    images = list(records)
    if not images:
        raise DataError("there are no records to measure on")
    smallest = config.min_face_size if min_face is None else float(min_face)
    workers = usable_processors() if workers is None else Count()("workers", workers)
    chunks = [images[at : at + _CHUNK] for at in range(0, len(images), _CHUNK)]
    make = functools.partial(_finder, config, _loaded(weights), smallest)
    found = (each for chunk in run(make, chunks, workers) for each in chunk)
    if progress:
        from mtcnn_fast.progress import track

        return _summary(list(track(found, len(images))), smallest)
    return _summary(list(found), smallest)


def _loaded(weights: str | os.PathLike[str] | Weights | None) -> Weights:
    from mtcnn_fast.weights import Weights, load_weights

    return weights if isinstance(weights, Weights) else load_weights(weights)


def _finder(
    config: DetectorConfig, weights: Weights, smallest: float
) -> Callable[[Sequence[FaceRecord]], list[_Found]]:
    from mtcnn_fast.detector import Detector

    # Processes are what runs side by side.
    detector = Detector.from_config(dataclasses.replace(config, num_threads=1), cpu_device(), weights=weights)
    return lambda chunk: [_covered(detector, record, smallest) for record in chunk]


def _covered(detector: Detector, record: FaceRecord, smallest: float) -> _Found:
    faces = AnnotatedFaces(record, smallest)
    truth = faces.boxes[faces.learnable]
    found = detector.detect(load_image(record.path), trace=True)
    result = {}
    for stage, step in STEPS.items():
        boxes = traced_boxes(found, step).astype(np.float64)
        result[stage] = iou_matrix(truth, boxes, inclusive=False).max(axis=1, initial=0.0), len(boxes)
    return result


def _summary(found: list[_Found], smallest: float) -> dict[str, Any]:
    stages = {}
    faces = 0
    for stage in STEPS:
        overlaps = np.concatenate([image[stage][0] for image in found])
        faces = len(overlaps)
        recall = {f"{least:g}": float(np.mean(overlaps >= least)) if faces else None for least in OVERLAPS}
        stages[stage] = {"boxes": float(np.mean([image[stage][1] for image in found])), "recall": recall}
    return {"images": len(found), "faces": faces, "min_face": smallest, "stages": stages}
