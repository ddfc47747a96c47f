"""The tracker beside `trackers.ByteTrackTracker`, on the same detections with known truth; scored by motmetrics too."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.video import Tracker, Tracking
from support.tracks import Difficulty, Frame, detections, measures, walk

CASES = {
    "perfect": Difficulty(),
    "noisy": Difficulty(noise=0.03),
    "with gaps": Difficulty(missed=0.1, noise=0.03),
    "low scores": Difficulty(low=0.3, noise=0.03),
    "everything": Difficulty(missed=0.05, low=0.2, false=0.2, noise=0.03),
}


def ours(frames: list, min_hits: int = 1) -> list[Frame]:
    tracker = Tracker(Tracking(high=0.7, min_hits=min_hits))
    found = [tracker.update(faces, index / 30) for index, faces in enumerate(frames)]
    return [(faces.boxes, faces.ids) for faces in found]


def theirs(frames: list) -> list[Frame]:
    trackers = pytest.importorskip("trackers", reason="the comparison needs trackers (pip install trackers)")
    tracker = trackers.ByteTrackTracker()
    result = []
    for faces in frames:
        found = tracker.update(faces.to_supervision())
        # Until a track is confirmed its id is -1.
        known = found.tracker_id >= 0
        result.append((found.xyxy[known], found.tracker_id[known]))
    return result


def mean(values: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}


@pytest.mark.parametrize("name", CASES)
def test_at_least_as_good(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackers", reason="the comparison needs trackers (pip install trackers)")
    scores: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for seed in range(4):
        truth = walk(6, 150, seed)
        frames = detections(truth, CASES[name], seed)
        # The other reports a track from its second frame on; against false faces that is the comparison.
        scores["ours"].append(measures(truth, ours(frames, 2 if CASES[name].false else 1)))
        scores["theirs"].append(measures(truth, theirs(frames)))
    own, other = mean(scores["ours"]), mean(scores["theirs"])
    with capsys.disabled():
        print(
            f"\n{name}: ours MOTA {own['mota']:.3f} IDF1 {own['idf1']:.3f} switches {own['switches']:.1f}; "
            f"ByteTrackTracker {other['mota']:.3f} {other['idf1']:.3f} {other['switches']:.1f}"
        )
    assert own["mota"] >= other["mota"] - 0.02
    assert own["idf1"] >= other["idf1"] - 0.01


def test_our_measures_are_those_of_motmetrics() -> None:
    motmetrics = pytest.importorskip("motmetrics", reason="the comparison needs motmetrics (pip install motmetrics)")
    truth = walk(6, 100, 5)
    found = ours(detections(truth, CASES["everything"], 5))
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for (boxes, ids), (others, tracks) in zip(truth, found, strict=True):
        distances = 1 - iou_matrix(np.asarray(boxes, float), np.asarray(others, float), inclusive=False)
        accumulator.update(ids, tracks, np.where(distances <= 0.5, distances, np.nan))
    summary = motmetrics.metrics.create().compute(accumulator, metrics=["mota", "idf1"])
    own = measures(truth, found)
    assert own["mota"] == pytest.approx(summary["mota"].iloc[0], abs=0.005)
    assert own["idf1"] == pytest.approx(summary["idf1"].iloc[0], abs=0.005)
