"""Calibration: one bias a network, so that the usual thresholds let through what they do with other weights."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mtcnn_fast._types import Bools, Doubles, Floats
from mtcnn_fast.config import DEFAULTS
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.images import load_image
from mtcnn_fast.training.samples.geometry import Stage
from mtcnn_fast.training.samples.proposals import cpu_device
from mtcnn_fast.training.samples.workers import run
from mtcnn_fast.training.soft.options import CalibrationOptions
from mtcnn_fast.weights import Weights

if TYPE_CHECKING:
    from mtcnn_fast.faces.trace import StageTrace

#: Steps of a trace after each network and its suppression.
STEPS: Mapping[Stage, str] = {"p": "proposals", "r": "refinement", "o": "output"}
_HEADS: Mapping[Stage, str] = {"p": "conv4_1", "r": "dense5_1", "o": "dense6_1"}
#: Thresholds while the scores of a stage are collected, lowered further where too few scores are above them.
_LOW: Mapping[Stage, float] = {"p": 0.05, "r": 0.02, "o": 0.01}
_LEAST = 1e-5
_NEVER = 1.0
_CHUNK = 8
#: A detection of less overlap with every annotated face is a false positive.
_FOUND = 0.5


def calibrate(
    weights: Weights,
    reference: Weights,
    records: Sequence[FaceRecord],
    options: CalibrationOptions | None = None,
    *,
    last: Stage = "o",
    workers: int = 1,
) -> tuple[Weights, dict[str, dict[str, float]]]:
    """Shift the networks' face logits so that the default thresholds let through what is wanted.

    Parameters
    ----------
    weights, reference : Weights
    records : sequence of FaceRecord
        Images that were not trained on and whose faces are all annotated.
    options : CalibrationOptions, optional
    last : {"p", "r", "o"}
        The last network to shift; those after it are of no account.
    workers : int
        Processes.

    Returns
    -------
    weights : Weights
        With new biases; everything else is as it was.
    report : dict of str to dict
        For each network the ``wanted`` number an image, the ``threshold`` that gives it, and the ``shift``.
    """
    wanted = options or CalibrationOptions()
    numbers: dict[Stage, float | None] = {
        "p": wanted.proposals,
        "r": wanted.candidates,
        "o": wanted.false_positives,
    }
    report: dict[str, dict[str, float]] = {}
    for place, (stage, number) in enumerate(numbers.items()):
        usual = DEFAULTS.thresholds[place]
        if number is None:
            number = len(stage_scores(reference, records, stage, usual, workers=workers)) / len(records)
        rank = round(number * len(records))
        scores = _highest(functools.partial(stage_scores, weights, records, stage, workers=workers), stage, rank)
        rank = min(rank, len(scores) - 1)
        threshold = float(scores[rank]) if len(scores) else usual
        shift = _logit(usual) - _logit(threshold)
        weights = shifted(weights, stage, shift)
        report[stage] = {"wanted": number, "threshold": threshold, "shift": shift}
        if stage == last:
            break
    return weights, report


def _highest(scores_above: Callable[[float], Doubles], stage: Stage, rank: int) -> Doubles:
    """Return scores in descending order, to the one of a rank if there are so many."""
    low = _LOW[stage]
    while True:
        scores = np.sort(scores_above(low))[::-1]
        if len(scores) > rank or low < _LEAST:
            return scores
        low /= 8


def stage_scores(
    weights: Weights, records: Sequence[FaceRecord], stage: Stage, threshold: float, *, workers: int = 1
) -> Doubles:
    """Return the scores above `threshold` of what a stage leaves on all images; of O-Net's, those of false positives.

    The stages before have their default thresholds.
    """
    thresholds: dict[Stage, tuple[float, float, float]] = {
        "p": (threshold, _NEVER, _NEVER),
        "r": (DEFAULTS.thresholds[0], threshold, _NEVER),
        "o": (DEFAULTS.thresholds[0], DEFAULTS.thresholds[1], threshold),
    }
    chunks = [records[at : at + _CHUNK] for at in range(0, len(records), _CHUNK)]
    return np.concatenate(
        [np.empty(0), *run(functools.partial(_scorer, weights, stage, thresholds[stage]), chunks, workers)]
    )


def _scorer(
    weights: Weights, stage: Stage, thresholds: tuple[float, float, float]
) -> Callable[[Sequence[FaceRecord]], Doubles]:
    from mtcnn_fast.detector import Detector

    # Processes are what runs side by side.
    detector = Detector(cpu_device(), weights=weights, thresholds=thresholds, num_threads=1)

    def work(records: Sequence[FaceRecord]) -> Doubles:
        found = [np.empty(0)]
        for record in records:
            trace = cast("list[StageTrace]", detector.detect(load_image(record.path), trace=True).trace)
            for step in trace:
                if step.step == STEPS[stage]:
                    scores = step.scores.astype(np.float64)
                    found.append(scores[_wrong(step.boxes, record)] if stage == "o" else scores)
        return np.concatenate(found)

    return work


def _wrong(boxes: Floats, record: FaceRecord) -> Bools:
    iou = iou_matrix(boxes.astype(np.float64), record.boxes.astype(np.float64), inclusive=False)
    return np.asarray(iou.max(axis=1, initial=0.0) < _FOUND)


def shifted(weights: Weights, stage: Stage, shift: float) -> Weights:
    """Return weights whose network `stage` adds `shift` to the logit of a face against none."""
    field = f"{stage}net"
    name = f"{_HEADS[stage]}.bias"
    tensors: dict[str, Any] = dict(getattr(weights, field))
    bias = tensors[name].copy()
    bias += np.array([-shift / 2, shift / 2], np.float32)
    bias.setflags(write=False)
    tensors[name] = bias
    changes: dict[str, Any] = {field: tensors}
    return dataclasses.replace(weights, **changes)


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(clipped / (1 - clipped))
