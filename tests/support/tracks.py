"""Sequences of faces with known truth, and the measures MOTA and IDF1.

MOTA: Bernardin and Stiefelhagen 2008, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics". IDF1:
Ristani et al. 2016, "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking".
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtcnn_fast import Faces
from mtcnn_fast.faces.overlap import iou_matrix

SIZE = (640, 480)

Frame = tuple[np.ndarray, np.ndarray]
"""Boxes (N, 4) and ids (N,)."""


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """How detections differ from the truth.

    Attributes
    ----------
    missed, low : float
        Shares of faces that are not found, and that are found with a low score.
    false : float
        False faces a frame, with high scores.
    noise : float
        Deviation of each corner in sizes of the face.
    """

    missed: float = 0.0
    low: float = 0.0
    false: float = 0.0
    noise: float = 0.0


def walk(count: int, frames: int, seed: int) -> list[Frame]:
    """Let faces of several sizes walk in curves through a picture; they come, go and pass each other."""
    rng = np.random.default_rng(seed)
    side = rng.uniform(30, 90, count)
    start = rng.uniform(60, [SIZE[0] - 60, SIZE[1] - 60], (count, 2))
    reach, pace, phase = (
        rng.uniform(20, 120, (count, 2)),
        rng.uniform(0.01, 0.05, (count, 2)),
        rng.uniform(0, 6, (count, 2)),
    )
    first = rng.integers(0, frames // 3, count)
    last = rng.integers(2 * frames // 3, frames, count)
    result = []
    for frame in range(frames):
        ids = np.flatnonzero((first <= frame) & (frame <= last))
        centre = (start + reach * np.sin(pace * frame + phase))[ids]
        half = side[ids, None] * np.array([0.4, 0.5])
        result.append((np.concatenate([centre - half, centre + half], axis=1), ids + 1))
    return result


def detections(truth: list[Frame], difficulty: Difficulty, seed: int) -> list[Faces]:
    """Return what a detector with faults would find."""
    rng = np.random.default_rng(seed)
    result = []
    for boxes, _ in truth:
        found = boxes[rng.uniform(size=len(boxes)) >= difficulty.missed]
        size = found[:, 2:3] - found[:, :1]
        found = found + rng.normal(0, difficulty.noise, found.shape) * size
        scores = np.where(rng.uniform(size=len(found)) < difficulty.low, rng.uniform(0.35, 0.65, len(found)), 0.95)
        extra = rng.poisson(difficulty.false)
        corner = rng.uniform(0, [SIZE[0] - 60, SIZE[1] - 60], (extra, 2))
        found = np.concatenate([found, np.concatenate([corner, corner + rng.uniform(25, 60, (extra, 1))], axis=1)])
        scores = np.concatenate([scores, np.full(extra, 0.8)])
        result.append(Faces(found, scores, np.zeros((len(found), 5, 2)), SIZE))
    return result


def measures(truth: list[Frame], found: list[Frame]) -> dict[str, float]:
    """Return ``mota``, ``idf1``, ``switches``, ``missed`` and ``false``; a match has an overlap of at least 0.5."""
    optimize = pytest.importorskip("scipy.optimize", reason="MOTA and IDF1 need scipy's assignment")
    before: dict[int, int] = {}
    switches = missed = false = 0
    together: dict[tuple[int, int], int] = {}
    for (boxes, ids), (others, tracks) in zip(truth, found, strict=True):
        gains = iou_matrix(
            np.asarray(boxes, float).reshape(-1, 4), np.asarray(others, float).reshape(-1, 4), inclusive=False
        )
        gains = np.where(gains >= 0.5, gains, 0)
        for row, column in zip(*np.nonzero(gains), strict=True):
            pair = int(ids[row]), int(tracks[column])
            together[pair] = together.get(pair, 0) + 1
        # A pair of the frame before stays where it still can.
        kept = gains + 10 * (gains > 0) * np.array(
            [[before.get(int(a)) == int(b) for b in tracks] for a in ids]
        ).reshape(gains.shape)
        rows, columns = optimize.linear_sum_assignment(kept, maximize=True)
        pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if gains[r, c] > 0]
        missed += len(ids) - len(pairs)
        false += len(tracks) - len(pairs)
        for row, column in pairs:
            switches += before.get(int(ids[row]), int(tracks[column])) != int(tracks[column])
            before[int(ids[row])] = int(tracks[column])
    total, given = sum(len(ids) for _, ids in truth), sum(len(tracks) for _, tracks in found)
    names, numbers = sorted({a for a, _ in together}), sorted({b for _, b in together})
    table = np.zeros((len(names), len(numbers)))
    for (a, b), count in together.items():
        table[names.index(a), numbers.index(b)] = count
    matched = table[optimize.linear_sum_assignment(table, maximize=True)].sum()
    return {
        "mota": 1 - (missed + false + switches) / total,
        "idf1": 2 * matched / (total + given),
        "switches": switches,
        "missed": missed,
        "false": false,
    }
