"""What a comparison excuses: rounding that decides between equal scores, and what follows from it; nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.trace import StageTrace
from support import golden

TIED, ELSEWHERE, BESIDE = (10, 10, 29, 29), (12, 10, 31, 29), (13, 11, 26, 30)
FAR = (70, 70, 89, 89)


def faces(*found: tuple[tuple[int, int, int, int], float]) -> Faces:
    """Faces whose trace has one step, with these boxes and scores."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32), (100, 100), trace=[trace(boxes, scores)])


def trace(boxes: np.ndarray, scores: np.ndarray) -> StageTrace:
    return StageTrace("proposals", boxes, scores)


@pytest.mark.parametrize(
    ("ours", "reference", "excused"),
    [
        pytest.param([(TIED, 0.8)], [(ELSEWHERE, 0.8)], True, id="equal scores"),
        pytest.param([(TIED, 0.8)], [(ELSEWHERE, 0.79)], False, id="unequal scores"),
        pytest.param([(TIED, 0.8)], [(FAR, 0.8)], False, id="equal scores, apart"),
        pytest.param([(TIED, 0.8)], [(ELSEWHERE, 0.8), (BESIDE, 0.3)], True, id="what the tied box suppresses"),
        pytest.param([(TIED, 0.8), (BESIDE, 0.3)], [(ELSEWHERE, 0.8)], True, id="the same on the other side"),
        pytest.param([(TIED, 0.8)], [(ELSEWHERE, 0.8), (FAR, 0.3)], False, id="a box apart from the tied ones"),
        pytest.param([(TIED, 0.8)], [(ELSEWHERE, 0.8), (BESIDE, 0.9)], False, id="a box of higher score"),
        pytest.param([(TIED, 0.8)], [(TIED, 0.8), (BESIDE, 0.3)], False, id="a box beside one that both keep"),
        pytest.param([], [(BESIDE, 0.3)], False, id="a box alone"),
    ],
)
def test_excuses(ours: list, reference: list, excused: bool) -> None:
    assert golden._suppressed_otherwise(faces(*ours), faces(*reference)) is excused
