"""What each step of the cascade does with the candidates around a point."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast.errors import BackendError
from mtcnn_fast.faces.arrays import FaceArrays
from mtcnn_fast.faces.trace import Dropped, StageTrace

#: What each step does.
TITLES = {
    "pnet": "P-Net over all scales, overlaps within a scale removed",
    "proposals": "overlaps between scales removed, boxes regressed and squared",
    "rnet": "what R-Net takes for faces",
    "refinement": "overlaps removed, boxes regressed and squared",
    "onet": "what O-Net takes for faces",
    "output": "boxes regressed, overlaps removed: the result",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Fate:
    """What became of the candidates around a point in one step.

    Attributes
    ----------
    step : str
        One of `mtcnn_fast.faces.trace.STEPS`.
    kept : int
        Candidates around the point that the step leaves.
    best : tuple of 5 float, or None
        Box and score of the best of them.
    dropped : tuple of (reason, box, score, better box or None)
        Candidates around the point that the step drops, highest score first.
    """

    step: str
    kept: int
    best: tuple[float, ...] | None
    dropped: tuple[tuple[str, tuple[float, ...], float, tuple[float, ...] | None], ...]


def steps_of(faces: FaceArrays) -> list[StageTrace]:
    """Return the trace of a detection.

    Raises
    ------
    BackendError
        If the detection was not traced.
    """
    if not isinstance(faces.trace, list):
        raise BackendError("the faces have no trace; detect with trace=True")
    return faces.trace


def summary(faces: FaceArrays) -> list[dict[str, Any]]:
    """Return for each step how many candidates it kept, and how many it dropped for each reason."""
    return [
        {"step": step.step, "kept": len(step.boxes), "dropped": dict(Counter(step.dropped.reasons))}
        for step in steps_of(faces)
    ]


def fates_at(faces: FaceArrays, x: float, y: float) -> list[Fate]:
    """Follow the candidates whose box holds a point, step by step.

    Parameters
    ----------
    faces : Faces
        Detected with ``trace=True``.
    x, y : float
        The point in pixels, such as the middle of a face that was missed.

    Returns
    -------
    fates : list of Fate
        One for each step that had candidates anywhere.
    """
    fates = []
    for step in steps_of(faces):
        around = holds(step.boxes, x, y)
        best = None
        if around.any():
            i = int(np.flatnonzero(around)[step.scores[around].argmax()])
            best = (*step.boxes[i].tolist(), float(step.scores[i]))
        fates.append(Fate(step.step, int(around.sum()), best, _dropped_at(step.dropped, x, y)))
    return fates


def holds(boxes: npt.NDArray[np.float32], x: float, y: float) -> npt.NDArray[np.bool_]:
    """Return which boxes ``(N, 4)`` hold a point, ``(N,)`` bool."""
    return (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])


def _dropped_at(
    dropped: Dropped, x: float, y: float
) -> tuple[tuple[str, tuple[float, ...], float, tuple[float, ...] | None], ...]:
    rows = np.flatnonzero(holds(dropped.boxes, x, y))
    rows = rows[np.argsort(-dropped.scores[rows], kind="stable")]
    return tuple(
        (
            dropped.reasons[i],
            tuple(dropped.boxes[i].tolist()),
            float(dropped.scores[i]),
            None if np.isnan(dropped.by[i]).any() else tuple(dropped.by[i].tolist()),
        )
        for i in rows.tolist()
    )


def loss(fates: list[Fate]) -> Fate | None:
    """Return the first step after which no candidate around the point is left; None where one is found."""
    return next((fate for fate in fates if not fate.kept), None)


def verdict(fates: list[Fate]) -> str:
    """Say in a sentence what became of the candidates around a point."""
    if not fates or not (fates[0].kept or fates[0].dropped):
        return (
            "P-Net proposes nothing there: every scale scores below its threshold, or the face's size is not searched"
        )
    if fates[-1].step == "output" and fates[-1].kept:
        return "a face is found there"
    lost = loss(fates)
    if lost is None:
        return f"the candidates there end with step {fates[-1].step!r}, as no candidate anywhere passed the next one"
    if not lost.dropped:
        return f"no candidate there is left after step {lost.step!r}: regression moved the boxes away from the point"
    reason, _, score, by = lost.dropped[0]
    favour = "" if by is None else f" in favour of the box {_rounded(by)}"
    return f"the last candidates there are dropped in step {lost.step!r}: {reason}{favour}, best score {score:.4f}"


def _rounded(box: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in box) + ")"
