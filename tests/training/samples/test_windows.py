"""Windows: the kinds of samples by overlap, how many there are of each, and targets that the detector decodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn_fast import ConfigError
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.datasets import FaceRecord
from mtcnn_fast.training.samples import SampleKind, SampleOptions
from mtcnn_fast.training.samples.allotment import allot, level, spread
from mtcnn_fast.training.samples.cutting import CutSettings, choose_windows
from mtcnn_fast.training.samples.geometry import EXTRA, Stage, box_targets, decoded_from, landmark_targets
from mtcnn_fast.training.samples.windows import NOTHING, AnnotatedFaces, inside, negative_candidates

SIZE = (160, 120)
STAGES: tuple[Stage, ...] = ("p", "r", "o")


def overlap(window: np.ndarray, box: np.ndarray) -> float:
    """Intersection over union by counting: `window` as pixels from 1, both ends included, `box` as edges from 0."""
    x1, y1, x2, y2 = np.trunc(window.astype(np.float64)) - [1, 1, 0, 0]
    wide = max(0.0, min(x2, box[2]) - max(x1, box[0]))
    high = max(0.0, min(y2, box[3]) - max(y1, box[1]))
    union = (x2 - x1) * (y2 - y1) + (box[2] - box[0]) * (box[3] - box[1]) - wide * high
    return wide * high / union if union > 0 else 0.0


@st.composite
def records(draw: st.DrawFn) -> FaceRecord:
    count = draw(st.integers(0, 4))
    rows = []
    for _ in range(count):
        x, y = draw(st.floats(-5, 140, width=32)), draw(st.floats(-5, 100, width=32))
        w, h = draw(st.floats(0, 60, width=32)), draw(st.floats(0, 60, width=32))
        rows.append([x, y, x + w, y + h])
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    ignored = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_)
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    points = np.repeat(middle, 5, axis=1) if draw(st.booleans()) else None
    return FaceRecord(Path("event/a.jpg"), boxes, points, ignored)


@given(records(), st.integers(0, 1000), st.sampled_from(STAGES))
def test_the_kinds_are_what_their_overlaps_say(record: FaceRecord, seed: int, stage: Stage) -> None:
    options = SampleOptions(total=80)
    (wanted,) = allot([record], options)
    proposals = None
    if stage != "p":
        rng = np.random.default_rng(seed)
        corner = rng.uniform(-10, 120, (60, 2))
        proposals = np.concatenate([corner, corner + rng.uniform(10, 60, (60, 1))], axis=1).astype(np.float32)
    chosen = choose_windows(CutSettings(stage, options, seed), 0, record, wanted, SIZE, proposals)
    usable = [i for i in range(len(record)) if record.usable[i]]
    for window, kind, face in zip(chosen.corners, chosen.kinds, chosen.faces, strict=True):
        overlaps = {i: overlap(window, record.boxes[i]) for i in usable}
        best = max(overlaps.values(), default=0.0)
        if kind == SampleKind.NEGATIVE:
            assert best < 0.3
            assert face == -1
        else:
            assert overlaps[face] == pytest.approx(best, abs=1e-9)
            low, high = (0.4, 0.65 + 1e-9) if kind == SampleKind.PART else (0.65, 1.0)
            assert low <= best <= high
            assert (record.boxes[face, 2:] - record.boxes[face, :2]).max() >= options.min_face
            assert kind != SampleKind.LANDMARK or record.has_landmarks[face]
    for kind, counts in wanted.of_faces.items():
        given_to = np.bincount(chosen.faces[chosen.kinds == kind], minlength=len(record))
        assert (given_to <= counts).all()
    if stage == "p":
        # P-Net never sees anything but the image.
        assert inside(chosen.corners, SIZE).all()
        sides = chosen.corners[:, 2:] - chosen.corners[:, :2]
        assert np.array_equal(sides[:, 0], sides[:, 1])


def test_an_ordinary_face_gives_what_is_wanted_of_it() -> None:
    box = np.array([[50, 30, 90, 80]], np.float32)
    record = FaceRecord(Path("a.jpg"), box, np.full((1, 5, 2), 60, np.float32))
    options = SampleOptions(total=700)
    (wanted,) = allot([record], options)
    chosen = choose_windows(CutSettings("p", options, 0), 0, record, wanted, SIZE, None)
    assert np.bincount(chosen.kinds).tolist() == [300, 100, 100, 200]


def test_windows_depend_on_seed_and_place_alone() -> None:
    record = FaceRecord(Path("a.jpg"), np.array([[50, 30, 90, 80]], np.float32))
    options = SampleOptions(total=70)
    (wanted,) = allot([record], options)

    def corners(seed: int, number: int) -> np.ndarray:
        return choose_windows(CutSettings("o", options, seed), number, record, wanted, SIZE, None).corners

    assert np.array_equal(corners(3, 5), corners(3, 5))
    assert not np.array_equal(corners(3, 5), corners(4, 5))
    assert not np.array_equal(corners(3, 5), corners(3, 6))


def test_faces_that_are_not_to_be_learned() -> None:
    boxes = np.array([[10, 10, 18, 18], [60, 20, 100, 60]], np.float32)
    faces = AnnotatedFaces(FaceRecord(Path("a.jpg"), boxes, ignored=np.array([False, True])), 12)
    assert faces.learnable.tolist() == [False, False]
    # On the small face; a window of which the ignored one covers half, and one of which it covers little.
    windows = np.array([[11, 11, 18, 18], [61, 21, 140, 60], [96, 21, 150, 75], [1, 81, 30, 110]], np.float32)
    kinds, nearest = faces.classify(windows)
    assert kinds.tolist() == [NOTHING, NOTHING, SampleKind.NEGATIVE, SampleKind.NEGATIVE]
    assert nearest.tolist() == [0, -1, -1, -1]


def test_lists_of_landmarks_give_nothing_but_landmarks() -> None:
    box = np.array([[50, 30, 90, 80]], np.float32)
    record = FaceRecord(Path("a.jpg"), box, np.full((1, 5, 2), 60, np.float32), complete=False)
    options = SampleOptions(total=70)
    (wanted,) = allot([record], options)
    # The picture ends where the face does, as it does in lists of faces.
    chosen = choose_windows(CutSettings("p", options, 0), 0, record, wanted, (90, 80), None)
    assert chosen.kinds.tolist() == [SampleKind.LANDMARK] * 20
    assert not inside(chosen.corners, (90, 80)).all()


def test_proposals_come_before_jitter() -> None:
    record = FaceRecord(Path("a.jpg"), np.array([[50, 30, 90, 70]], np.float32))
    proposals = np.array([[51, 31, 90, 70], [52, 31, 91, 70], [51, 25, 90, 50], [100, 80, 130, 110]], np.float32)
    for top_up, counts in ((False, [1, 2]), (True, [1, 10])):
        options = SampleOptions(total=70, top_up=top_up)
        (wanted,) = allot([record], options)
        chosen = choose_windows(CutSettings("r", options, 0), 0, record, wanted, SIZE, proposals)
        assert np.bincount(chosen.kinds)[:2].tolist() == counts
        positives = {tuple(row) for row in chosen.corners[chosen.kinds == SampleKind.POSITIVE]}
        assert {tuple(row) for row in proposals[:2]} <= positives


@given(
    st.sampled_from(STAGES),
    st.lists(st.tuples(st.integers(-50, 500), st.integers(-50, 500), st.integers(8, 400)), min_size=1, max_size=8),
    st.integers(0, 99),
)
def test_the_detector_decodes_targets_to_the_annotation(
    stage: Stage, windows: list[tuple[int, int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.array(windows, np.float64)
    corners = np.concatenate([rows[:, :2] + 1, rows[:, :2] + rows[:, 2:]], axis=1).astype(np.float32)
    shift = rng.uniform(-0.3, 0.3, (len(rows), 4)) * rows[:, 2:]
    faces = corners.astype(np.float64) + shift
    decoded = numpy_steps.regress(
        decoded_from(stage, corners).astype(np.float32), box_targets(stage, corners, faces), "corner", EXTRA[stage]
    )
    assert np.allclose(decoded, faces, atol=0.01)
    points = faces[:, None, :2] + rng.uniform(0, 1, (len(rows), 5, 2)) * rows[:, None, 2:]
    if stage == "o":
        targets = landmark_targets(stage, corners, points).transpose(0, 2, 1).reshape(-1, 10)
        assert np.allclose(numpy_steps.place_landmarks(corners, targets), points, atol=0.01)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 20))
def test_p_net_decodes_from_the_box_of_its_cell(row: int, column: int, quarter: int) -> None:
    # A scale at which the cell's window begins and ends between two pixels.
    scale = 12 / (12 * quarter)
    box = numpy_steps.map_cells(np.array([row]), np.array([column]), scale)
    left, top, side = 2 * column * quarter, 2 * row * quarter, 12 * quarter
    window = np.array([[left + 1, top + 1, left + side, top + side]], np.float32)
    assert np.abs(decoded_from("p", window) - box).max() <= 1


def test_negative_candidates_lie_inside_and_near_faces() -> None:
    faces = np.array([[70.0, 50.0, 90.0, 70.0]])
    rng = np.random.default_rng(0)
    near = negative_candidates(faces, SIZE, 500, 1.0, rng)
    assert inside(near, SIZE).all()
    middle = (near[:, :2] + near[:, 2:]) / 2
    assert (np.abs(middle - [80, 60]) < 33).all()
    anywhere = negative_candidates(faces, SIZE, 500, 0.0, rng)
    assert len(anywhere) == 500
    sides = anywhere[:, 2] - anywhere[:, 0] + 1
    assert (sides.min(), sides.max() <= 120) == (12, True)
    assert len(negative_candidates(faces, (11, 300), 10, 0.5, rng)) == 0


def image_with(faces: int, landmarks: int, complete: bool = True) -> FaceRecord:
    boxes = np.tile(np.array([[0, 0, 20, 20]], np.float32), (faces, 1))
    points = np.full((faces, 5, 2), np.nan, np.float32)
    points[:landmarks] = 5
    return FaceRecord(Path("a.jpg"), boxes, points, complete=complete)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 5000),
)
def test_what_is_allotted_has_the_ratio_and_is_even(images: list[tuple[int, int, bool]], total: int) -> None:
    made = [image_with(faces, min(faces, marks), complete) for faces, marks, complete in images]
    options = SampleOptions(total=total)
    wanted = allot(made, options)
    targets = options.targets()
    assert sum(targets.values()) <= total
    if total % 7 == 0:
        assert list(targets.values()) == [3 * total // 7, total // 7, total // 7, 2 * total // 7]
    negatives = np.array([each.negatives for each in wanted])
    complete = np.array([record.complete for record in made])
    assert negatives.sum() == (targets[SampleKind.NEGATIVE] if complete.any() else 0)
    assert (negatives[~complete] == 0).all()
    for kind in (SampleKind.POSITIVE, SampleKind.PART, SampleKind.LANDMARK):
        counts = np.concatenate([each.of_faces[kind] for each in wanted])
        allowed = np.concatenate(
            [r.has_landmarks if kind == SampleKind.LANDMARK else np.full(len(r), r.complete) for r in made]
        )
        assert counts.sum() == (targets[kind] if allowed.any() else 0)
        assert (counts[~allowed] == 0).all()
        if allowed.any():
            assert np.ptp(counts[allowed]) <= 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 600))
def test_level_takes_evenly(available: list[int], total: int) -> None:
    counts = np.array(available)
    taken = level(counts, total)
    assert (taken <= counts).all()
    assert taken.sum() == min(total, counts.sum())
    # Whoever gave less than the most has hardly any left.
    assert (taken[taken < counts] >= taken.max() - 1).all()


def test_spread_leaves_out_the_others() -> None:
    assert spread(7, np.array([True, False, True, True])).tolist() == [2, 0, 2, 3]
    assert spread(7, np.zeros(2, np.bool_)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total", 0),
        ("total", 1.5),
        ("ratio", (1, 2, 3)),
        ("ratio", (0, 0, 0, 0)),
        ("ratio", (1, -1, 1, 1)),
        ("min_face", 0),
        ("scale_jitter", (1.2, 0.8)),
        ("scale_jitter", (0.1, 1)),
        ("shift_jitter", 2),
        ("near", -0.1),
        ("top_up", 1),
        ("thresholds", (0.5,)),
        ("thresholds", (0.5, 1.5)),
        ("min_face_size", "small"),
    ],
)
def test_options_are_checked(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        SampleOptions(**{name: value})  # type: ignore[arg-type]
