"""What a trace holds, and what is told from it."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast import BackendError, Detector, Faces
from mtcnn_fast.backends import available_backends
from mtcnn_fast.evaluation.explain import draw_step, fates_at, summary, verdict
from mtcnn_fast.faces.trace import REASONS, STEPS, Dropped, StageTrace
from support.portrait import QUICK, portrait
from support.variants import parameters


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def traced(*steps):
    return Faces(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)), (100, 100), trace=list(steps))


#: The backends that can be used here: each tells what it drops.
DEVICES = parameters(name for name, problem in available_backends().items() if not problem)


@pytest.fixture(scope="module", params=DEVICES)
def faces(request):
    return Detector(request.param, **QUICK).detect(portrait(), trace=True)


def test_each_step_takes_up_what_the_one_before_left(faces):
    steps = {step.step: step for step in faces.trace}
    assert tuple(steps) == STEPS
    for before, after in (("proposals", "rnet"), ("refinement", "onet")):
        assert len(steps[before].boxes) == len(steps[after].boxes) + len(steps[after].dropped.boxes)
    for before, after in (("pnet", "proposals"), ("rnet", "refinement"), ("onet", "output")):
        assert len(steps[before].boxes) == len(steps[after].boxes) + len(steps[after].dropped.boxes)


def test_what_is_dropped_says_why(faces):
    for step in faces.trace:
        dropped = step.dropped
        assert len(dropped.boxes) == len(dropped.scores) == len(dropped.reasons) == len(dropped.by)
        assert set(dropped.reasons) <= set(REASONS)
        for reason, by in zip(dropped.reasons, dropped.by, strict=True):
            assert np.isnan(by).all() == (reason != "overlap")
    thresholds = dict(zip(("rnet", "onet"), (0.7, 0.7), strict=True))
    for step in faces.trace:
        if step.step in thresholds:
            assert (step.dropped.scores <= np.float32(0.7)).all()
            assert (step.scores > np.float32(0.7)).all()


@pytest.mark.parametrize("device", DEVICES)
def test_faces_beyond_the_limit_are_told(device):
    double = np.hstack([portrait(), portrait()[:, ::-1]])
    faces = Detector(device, **QUICK, max_faces=1).detect(double, trace=True)
    assert faces.trace[-1].dropped.reasons.count("limit") == 1


def test_without_asking_there_is_no_trace():
    plain = Detector("numpy", **QUICK).detect(portrait())
    assert plain.trace is None
    with pytest.raises(BackendError, match="detect with trace=True"):
        summary(plain)


def test_the_box_that_suppressed_a_candidate_is_given():
    winner, loser = [10, 10, 30, 30], [12, 10, 32, 30]
    dropped = Dropped(boxes(loser), np.array([0.8], np.float32), ("overlap",), boxes(winner))
    faces = traced(
        StageTrace("pnet", boxes(winner, loser), np.array([0.9, 0.8], np.float32)),
        StageTrace("proposals", boxes(winner), np.array([0.9], np.float32), dropped),
    )
    fates = fates_at(faces, 31, 20)
    assert [fate.kept for fate in fates] == [1, 0]
    assert fates[0].best == (12, 10, 32, 30, pytest.approx(0.8))
    assert verdict(fates) == (
        "the last candidates there are dropped in step 'proposals': overlap in favour of the box (10, 10, 30, 30),"
        " best score 0.8000"
    )


def test_candidates_that_move_away_or_that_nothing_follows():
    there, away = boxes([10, 10, 30, 30]), boxes([50, 50, 70, 70])
    one = np.array([0.9], np.float32)
    fates = fates_at(traced(StageTrace("pnet", there, one), StageTrace("proposals", away, one)), 20, 20)
    assert "regression moved the boxes away" in verdict(fates)
    fates = fates_at(traced(StageTrace("pnet", there, one)), 20, 20)
    assert "end with step 'pnet'" in verdict(fates)
    assert "P-Net proposes nothing" in verdict([])


def test_pictures_show_what_is_kept_and_dropped():
    dropped = Dropped(boxes([5, 5, 40, 40], [np.nan] * 4), np.zeros(2, np.float32), ("threshold",) * 2, boxes())
    step = StageTrace("rnet", boxes([50, 50, 90, 90], [-1e9, 60, 1e9, 95]), np.ones(2, np.float32), dropped)
    picture = np.asarray(draw_step(np.zeros((100, 100, 3), np.uint8), step))
    assert picture[5, 20].tolist() == [230, 60, 60]
    assert picture[50, 70].tolist() == [0, 200, 120]
    assert picture[60, 3].tolist() == [0, 200, 120]
