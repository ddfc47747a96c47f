"""What a trace holds, and what is told from it."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest

from mtcnn_fast import BackendError, ConfigError, Detector, Faces
from mtcnn_fast.backends import available_backends
from mtcnn_fast.faces.fates import fates_at, summary, verdict
from mtcnn_fast.faces.storyboard import COLORS, KEPT, MARK
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


@pytest.fixture(scope="module")
def traced_portrait():
    return Detector("numpy", **QUICK).detect(portrait(), trace=True)


def test_a_face_that_is_found_needs_no_remedy(traced_portrait):
    x, y = traced_portrait.boxes[0].reshape(2, 2).mean(axis=0).tolist()
    found = traced_portrait.explain(x, y)
    assert str(found) == f"around ({x:g}, {y:g}): a face is found there"
    assert found.settings == Detector("numpy", **QUICK).config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thresholds": (0.6, 0.7, 1)}, "Set thresholds=(0.6, 0.7, 0.99"),
        ({"min_face_size": 112}, "min_face_size (now 112)"),
        ({"thresholds": (1, 0.7, 0.7)}, "Lower thresholds[0] (now 1)"),
    ],
)
def test_the_remedy_names_the_setting(changes, words):
    faces = Detector("numpy", **{**QUICK, **changes}).detect(portrait(), trace=True)
    assert len(faces) == 0
    assert words in faces.explain(56, 50).remedy


def test_the_remedy_helps():
    missed = Detector("numpy", **{**QUICK, "thresholds": (0.6, 0.9999, 0.7)}).detect(portrait(), trace=True)
    remedy = missed.explain(56, 50).remedy
    given = re.search(r"thresholds=\(([^)]*)\)", remedy)
    thresholds = tuple(float(value) for value in given.group(1).split(","))
    found = Detector("numpy", **{**QUICK, "thresholds": thresholds}).detect(portrait(), trace=True)
    assert found.explain(56, 50).verdict == "a face is found there"


@pytest.mark.parametrize(
    ("reason", "words"),
    [("overlap", "Raise nms_thresholds[1]"), ("degenerate", "add a border"), ("limit", "max_faces")],
)
def test_each_reason_has_a_remedy(reason, words):
    by = boxes([10, 10, 30, 30]) if reason == "overlap" else np.full((1, 4), np.nan, np.float32)
    one = np.array([0.9], np.float32)
    step = StageTrace("proposals", boxes(), one[:0], Dropped(boxes([10, 10, 30, 30]), one, (reason,), by))
    faces = traced(StageTrace("pnet", boxes([10, 10, 30, 30]), one), step)
    assert words in faces.explain(20, 20).remedy


def test_a_hopeless_score_is_said_to_be_so():
    one = np.array([0.01], np.float32)
    step = StageTrace(
        "rnet", boxes(), one[:0], Dropped(boxes([10, 10, 30, 30]), one, ("threshold",), np.full((1, 4), np.nan))
    )
    assert "R-Net sees no face" in traced(StageTrace("pnet", boxes([10, 10, 30, 30]), one), step).explain(20, 20).remedy


@pytest.mark.parametrize(("x", "y"), [(-1, 5), (5, -0.5), (101, 5), (5, 1e9)])
def test_a_point_outside_is_refused(x, y):
    with pytest.raises(ConfigError, match="inside the image of 100x100"):
        traced().explain(x, y)


@pytest.mark.parametrize("point", [(None, 5), (5, None), (np.nan, 5), ("5", 5)])
def test_half_a_point_or_none_at_all(point):
    with pytest.raises(ConfigError, match=r"\bx\b|\by\b"):
        traced().explain(*point)


def test_an_explanation_needs_a_trace():
    with pytest.raises(BackendError, match="detect with trace=True"):
        Detector("numpy", **QUICK).detect(portrait()).explain(5, 5)


def test_the_trace_travels(traced_portrait):
    copy = pickle.loads(pickle.dumps(traced_portrait))
    assert copy.trace.settings == traced_portrait.trace.settings
    assert [step.step for step in copy.trace] == list(STEPS)


def test_the_storyboard_shows_what_is_kept_and_dropped():
    nowhere = boxes([5, 5, 40, 40], [np.nan] * 4)
    dropped = Dropped(
        nowhere, np.array([0.2, 0.1], np.float32), ("threshold",) * 2, np.full((2, 4), np.nan, np.float32)
    )
    step = StageTrace("rnet", boxes([50, 50, 90, 90], [-1e9, 60, 1e9, 95]), np.ones(2, np.float32), dropped)
    picture = np.asarray(traced(step).explain(img=np.zeros((100, 100, 3), np.uint8)).storyboard())
    for color in (KEPT, COLORS["threshold"]):
        assert (picture == color).all(axis=2).sum() > 100


def test_the_point_is_marked_and_each_step_has_its_picture(traced_portrait):
    plain = np.asarray(traced_portrait.explain(56, 50).storyboard())
    shown = traced_portrait.explain(56, 50, portrait())
    assert (np.asarray(shown.storyboard()) != plain).mean() > 0.1
    assert (plain == MARK).all(axis=2).sum() > 6 * 20
    page = shown.to_html()
    assert page.count("<figure>") == page.count("data:image/png;base64,") == len(STEPS)
    assert "passes: score above 0.7" in page
    assert shown._repr_png_().startswith(b"\x89PNG")
