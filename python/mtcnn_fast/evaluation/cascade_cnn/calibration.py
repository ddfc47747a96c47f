"""The 45 patterns by which the Cascade CNN moves a window onto its face (Li et al. 2015, section 3.2.2).

A pattern ``(s, x, y)`` turns the window with corner ``(u, v)`` and sides ``w, h`` into the one with corner
``(u - x w / s, v - y h / s)`` and sides ``w / s, h / s``. A window is moved by the mean ``(s, x, y)`` of the patterns
to which the calibration net gives a probability above a threshold.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats

SCALES = (0.83, 0.91, 1.0, 1.1, 1.21)
SHIFTS = (-0.17, 0.0, 0.17)

#: Rows ``(s, x, y)``, in the order of a calibration net's outputs.
PATTERNS: Floats = np.array(list(itertools.product(SCALES, SHIFTS, SHIFTS)), np.float32)
PATTERNS.setflags(write=False)

_STAY = np.array([1, 0, 0], np.float32)


def move(boxes: Floats, patterns: Floats) -> Floats:
    """Return boxes ``(N, 4)`` (x1, y1, x2, y2) each moved by its row of `patterns` ``(N, 3)``."""
    sides = (boxes[:, 2:] - boxes[:, :2]) / patterns[:, :1]
    corners = boxes[:, :2] - patterns[:, 1:] * sides
    return np.concatenate([corners, corners + sides], axis=1)


def mean_patterns(probabilities: Floats, threshold: float) -> Floats:
    """Return for each row of `probabilities` ``(N, 45)`` the mean ``(s, x, y)`` of the patterns above the threshold.

    Where there is none, the pattern that moves nothing.
    """
    likely = (probabilities > threshold).astype(np.float32)
    count = likely.sum(axis=1, keepdims=True)
    means: Floats = np.where(count > 0, likely @ PATTERNS / np.maximum(count, 1), _STAY)
    return means


def nearest_patterns(offsets: Floats) -> npt.NDArray[np.int64]:
    """Return which pattern moves each window best onto its face, by intersection over union.

    Parameters
    ----------
    offsets : (N, 4) float32
        Corners of the face less those of the window, in units of the window's side.

    Returns
    -------
    (N,) int64
        Indices of `PATTERNS`; of equal ones the first.
    """
    unit = np.array([[0, 0, 1, 1]], np.float32)
    moved = move(np.repeat(unit, len(PATTERNS), axis=0), PATTERNS)[None]
    faces = (unit + offsets)[:, None]
    sides = np.minimum(moved[..., 2:], faces[..., 2:]) - np.maximum(moved[..., :2], faces[..., :2])
    shared = np.maximum(sides, 0).prod(axis=2)
    areas = (moved[..., 2:] - moved[..., :2]).prod(axis=2) + (faces[..., 2:] - faces[..., :2]).prod(axis=2)
    return np.asarray(np.argmax(shared / (areas - shared), axis=1), np.int64)
