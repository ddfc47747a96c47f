"""Ids stay with their faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtcnn_fast import ConfigError, Faces
from mtcnn_fast.video import Tracker, Tracking
from support.tracks import SIZE, Difficulty, detections, measures, walk

STEP = 1 / 25


def faces_at(*places: float, score: float = 0.9, side: float = 40) -> Faces:
    boxes = [[x, 100, x + side, 100 + side] for x in places]
    points = [[[x + 10, 110], [x + 30, 110], [x + 20, 120], [x + 12, 130], [x + 28, 130]] for x in places]
    return Faces(np.reshape(boxes, (-1, 4)), [score] * len(places), np.reshape(points, (-1, 5, 2)), SIZE)


def tracked(tracker: Tracker, frames: list[Faces]) -> list[Faces]:
    return [tracker.update(faces, index * STEP) for index, faces in enumerate(frames)]


def run(difficulty: Difficulty, **options: float) -> dict[str, float]:
    """Measure a tracker on three sequences together."""
    sums: dict[str, list[float]] = {}
    for seed in range(3):
        truth = walk(6, 150, seed)
        found = tracked(Tracker(Tracking(high=0.7, **options)), detections(truth, difficulty, seed))
        for name, value in measures(truth, [(f.boxes, f.ids) for f in found]).items():
            sums.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in sums.items()}


def test_an_id_stays_and_faces_are_reported_as_they_were_found() -> None:
    frames = [faces_at(50 + 3 * n, 300 - 3 * n) for n in range(30)]
    for found, given_faces in zip(tracked(Tracker(), frames), frames, strict=True):
        assert found.ids.tolist() == [1, 2]
        assert found.ids.dtype == np.int64
        # No smoothing: what was found, to the bit.
        np.testing.assert_array_equal(found.boxes, given_faces.boxes)
        np.testing.assert_array_equal(found.landmarks, given_faces.landmarks)
        np.testing.assert_array_equal(found.scores, given_faces.scores)


def test_a_gap_is_bridged() -> None:
    frames = [faces_at(50 + 4 * n) if not 10 <= n < 25 else faces_at() for n in range(40)]
    found = tracked(Tracker(), frames)
    assert {n for faces in found for n in faces.ids} == {1}
    assert [len(faces) for faces in found[10:25]] == [0] * 15


def test_a_gap_that_is_too_long_ends_a_track() -> None:
    frames = [faces_at(50), faces_at(50), *[faces_at()] * 15, faces_at(50)]
    assert tracked(Tracker(Tracking(max_gap=0.5)), frames)[-1].ids.tolist() == [2]
    assert tracked(Tracker(Tracking(max_gap=0.7)), frames)[-1].ids.tolist() == [1]


def test_two_that_cross_keep_their_ids() -> None:
    """Hidden behind one another for some frames, told apart by where each was heading."""
    frames = []
    for n in range(60):
        left, right = 100 + 4 * n, 340 - 4 * n
        frames.append(faces_at(left, right) if abs(left - right) > 30 else faces_at(left))
    found = tracked(Tracker(), frames)
    last = found[-1]
    assert last.ids[np.argmax(last.boxes[:, 0])] == 1
    assert last.ids[np.argmin(last.boxes[:, 0])] == 2


def test_low_scores_continue_tracks_and_start_none() -> None:
    tracker = Tracker(Tracking(high=0.7))
    frames = [faces_at(50), faces_at(51), faces_at(52, score=0.4), faces_at(300, score=0.4), faces_at(54, score=0.2)]
    found = tracked(tracker, frames)
    assert [faces.ids.tolist() for faces in found] == [[1], [1], [1], [], []]


def test_a_face_seen_once_is_forgotten_at_once() -> None:
    tracker = Tracker()
    found = tracked(tracker, [faces_at(50), faces_at(), faces_at(50)])
    assert [faces.ids.tolist() for faces in found] == [[1], [], [2]]


def test_a_face_may_have_to_be_found_twice() -> None:
    found = tracked(Tracker(Tracking(min_hits=2)), [faces_at(50), faces_at(51, 300), faces_at(52)])
    assert [faces.ids.tolist() for faces in found] == [[], [1], [1]]


def test_fill_reports_where_a_lost_face_is_expected() -> None:
    frames = [faces_at(50 + 4 * n) for n in range(10)] + [faces_at()] * 8
    found = tracked(Tracker(Tracking(fill=0.21)), frames)
    assert [len(faces) for faces in found[10:]] == [1] * 5 + [0] * 3
    for n in range(10, 15):
        assert found[n].scores.tolist() == [0]
        assert found[n].ids.tolist() == [1]
        np.testing.assert_allclose(found[n].boxes, faces_at(50 + 4 * n).boxes, atol=4)
        np.testing.assert_allclose(found[n].landmarks, faces_at(50 + 4 * n).landmarks, atol=4)


def test_smoothing_makes_a_still_face_stiller() -> None:
    rng = np.random.default_rng(0)
    frames = [faces_at(100 + rng.normal(0, 1.5)) for _ in range(80)]
    spread = {}
    for share in (0.0, 0.7):
        found = tracked(Tracker(Tracking(smoothing=share)), frames)
        spread[share] = (
            np.std([faces.boxes[0, 0] for faces in found[20:]]),
            np.std([faces.landmarks[0, 2, 0] for faces in found[20:]]),
        )
    assert spread[0.7][0] < 0.7 * spread[0.0][0]
    assert spread[0.7][1] < 0.7 * spread[0.0][1]


@pytest.mark.parametrize(
    ("difficulty", "mota", "idf1"),
    [
        (Difficulty(), 1.0, 1.0),
        (Difficulty(noise=0.03), 0.99, 0.97),
        (Difficulty(missed=0.1, noise=0.03), 0.87, 0.9),
        (Difficulty(missed=0.05, low=0.2, false=0.2, noise=0.03), 0.85, 0.9),
    ],
    ids=["perfect", "noisy", "with gaps", "everything"],
)
def test_measures_on_sequences_with_known_truth(difficulty: Difficulty, mota: float, idf1: float) -> None:
    found = run(difficulty)
    assert found["mota"] >= mota
    assert found["idf1"] >= idf1


def test_the_second_stage_is_worth_its_while() -> None:
    difficulty = Difficulty(low=0.3, noise=0.03)
    assert run(difficulty)["mota"] > run(difficulty, low=0.7)["mota"] + 0.1


def test_the_measures_notice_faults() -> None:
    truth = walk(4, 60, 0)
    assert measures(truth, truth)["mota"] == measures(truth, truth)["idf1"] == 1
    swapped = [(boxes, ids if n < 30 else ids[::-1]) for n, (boxes, ids) in enumerate(truth)]
    assert measures(truth, swapped)["switches"] >= 2
    assert measures(truth, swapped)["idf1"] < 0.9
    assert measures(truth, [(boxes[:0], ids[:0]) for boxes, ids in truth])["mota"] == 0


@pytest.mark.property
@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5), st.floats(0, 2))
def test_ids_are_unique_in_a_frame_and_every_high_face_has_one(seed: int, missed: float, false: float) -> None:
    truth = walk(5, 30, seed)
    tracker = Tracker(Tracking(high=0.7))
    frames = detections(truth, Difficulty(missed=missed, low=0.3, false=false, noise=0.1), seed)
    for given_faces, found in zip(frames, tracked(tracker, frames), strict=True):
        assert len(set(found.ids.tolist())) == len(found)
        high = given_faces[given_faces.scores > 0.7]
        assert {tuple(box) for box in high.boxes.tolist()} <= {tuple(box) for box in found.boxes.tolist()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 2}, "low must be a number from 0 to 1"),
        ({"high": -1}, "high must be"),
        ({"min_overlap": 0}, "min_overlap must be"),
        ({"min_hits": 0}, "min_hits must be"),
        ({"max_gap": -1}, "max_gap must be"),
        ({"detect_every": 0}, "detect_every must be"),
        ({"fill": -1}, "fill must be"),
        ({"smoothing": 1}, "smoothing must be"),
    ],
)
def test_wrong_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Tracking(**arguments)


def test_wrong_use() -> None:
    tracker = Tracker()
    tracker.update(faces_at(50), 1.0)
    with pytest.raises(ConfigError, match=r"seconds must not be before those of the last frame, 1\.0, got 0\.5"):
        tracker.update(faces_at(50), 0.5)
    with pytest.raises(ConfigError, match="settings must be Tracking"):
        Tracker({"low": 0.1})
