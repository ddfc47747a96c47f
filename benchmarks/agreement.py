"""Whether two detectors found the same faces, by the measure of docs/semantics.md (Contracts)."""

from __future__ import annotations

import numpy as np

PIXELS = 0.5
SCORE = 1e-3
TIE = 2e-6
OVERLAP = 0.7


def compare(ours: dict, theirs: dict) -> dict:
    """Return how many faces match, how many of the rest are ties, and the largest differences of the matched ones."""
    a, b = ({key: np.asarray(value, np.float64) for key, value in faces.items()} for faces in (ours, theirs))
    free = set(range(len(a["scores"])))
    rest, pixels, scores = [], [0.0], [0.0]
    for j in range(len(b["scores"])):
        distance = {i: distances(a, i, b, j) for i in free}
        i = min(distance, key=lambda k: distance[k][0], default=None)
        if i is not None and distance[i][0] <= PIXELS and distance[i][1] <= SCORE:
            free.remove(i)
            pixels.append(distance[i][0])
            scores.append(distance[i][1])
        else:
            rest.append(j)
    matched = len(b["scores"]) - len(rest)
    ties = 0
    for j in rest:
        for i in sorted(free):
            if abs(a["scores"][i] - b["scores"][j]) <= TIE and iomin(a["boxes"][i], b["boxes"][j]) > OVERLAP:
                free.remove(i)
                ties += 1
                break
    return {
        "ours": len(a["scores"]),
        "theirs": len(b["scores"]),
        "matched": matched,
        "ties": ties,
        "pixels": max(pixels),
        "score": max(scores),
    }


def distances(a: dict, i: int, b: dict, j: int) -> tuple[float, float]:
    """Return the largest difference of two faces in pixels, and that of their scores."""
    pixels = max(np.abs(a[key][i] - b[key][j]).max() for key in ("boxes", "landmarks"))
    return float(pixels), float(abs(a["scores"][i] - b["scores"][j]))


def iomin(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1
    area = min(np.prod(box[2:] - box[:2] + 1) for box in (a, b))
    return float(np.prod(np.maximum(sides, 0)) / area)
