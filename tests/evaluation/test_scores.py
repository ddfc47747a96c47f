"""Figures of the scorers on small cases that can be worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation import (
    Detections,
    FddbImage,
    LandmarkFace,
    WiderImage,
    score_fddb,
    score_landmarks,
    score_widerface,
)
from mtcnn_fast.evaluation.landmarks import CURVE, POINTS, choose_face
from mtcnn_fast.evaluation.reports import as_cell, as_markdown, as_text
from mtcnn_fast.evaluation.speed import Speed, Timing, peak_memory_mb

FACE = [10.0, 10, 40, 40]


def wider(boxes, wanted=None, name="a"):
    wanted = np.ones(len(boxes), bool) if wanted is None else np.array(wanted)
    return WiderImage("0--Parade", name, np.array(boxes, float).reshape(-1, 4), {"easy": wanted})


class TestWiderFace:
    def ap(self, images, found):
        return score_widerface(images, found).average_precision["easy"]

    def test_a_false_detection_above_a_true_one_halves_the_precision(self):
        found = {"0--Parade/a": Detections([[100, 100, 130, 130], FACE], [0.9, 0.5])}
        assert self.ap([wider([FACE])], found) == pytest.approx(0.5)

    def test_half_of_the_faces(self):
        found = {"0--Parade/a": Detections([FACE, [200, 200, 210, 210]], [0.9, 0.1])}
        assert self.ap([wider([FACE, [100, 100, 130, 130]])], found) == pytest.approx(0.5)

    def test_detections_of_ignored_faces_do_not_count(self):
        images = [wider([FACE, [100, 100, 130, 130]], [True, False])]
        found = {"0--Parade/a": Detections([[100, 100, 130, 130], FACE], [0.9, 0.5])}
        assert self.ap(images, found) == pytest.approx(1)

    def test_boxes_are_a_pixel_wider_than_their_corners_say(self):
        # Without the extra pixel the overlap is 10 / 21; with it 11 / 22.
        images, found = [wider([[0, 0, 10, 20]])], {"0--Parade/a": Detections([[0, 0, 10, 9.5]], [1])}
        assert self.ap(images, found) == 1
        found = {"0--Parade/a": Detections([[0, 0, 10, 9.4]], [1])}
        assert self.ap(images, found) == 0

    def test_an_image_without_faces_adds_false_detections(self):
        images = [wider([FACE]), wider([], name="b")]
        found = {"0--Parade/a": Detections([FACE], [0.5]), "0--Parade/b": Detections([FACE], [0.9])}
        assert self.ap(images, found) == pytest.approx(0.5)

    def test_a_sub_set_without_faces(self):
        assert self.ap([wider([FACE], [False])], {"0--Parade/a": Detections([FACE], [0.5])}) == 0

    def test_nothing_to_score_and_missing_detections(self):
        with pytest.raises(DataError, match="no image to score"):
            score_widerface([], {})
        with pytest.raises(DataError, match="no detections for 1 of 1 images, such as '0--Parade/a'"):
            score_widerface([wider([FACE])], {})

    def test_label_of_a_part_and_of_the_whole(self):
        result = score_widerface([wider([FACE])], {"0--Parade/a": Detections.none()}, of_images=3226)
        assert result.label == "subset of WIDER FACE val: 1 images of 1 event; faces: 1 easy"
        whole = [wider([FACE], name=f"i{i}") for i in range(3226)]
        result = score_widerface(whole, {image.key: Detections.none() for image in whole})
        assert result.label.startswith("WIDER FACE val: 3,226 images")


class TestFddb:
    # A circle of radius 20 at (50, 50), and the box that encloses it: pi / 4 of the box.
    CIRCLE = np.array([[20.0, 20, 0, 50, 50]])
    BOX = (30.0, 30, 70, 70)

    def score(self, ellipses, boxes, scores, **more):
        pytest.importorskip("scipy")
        return score_fddb([FddbImage("a", 1, ellipses)], {"a": Detections(boxes, scores)}, **more)

    def test_overlap_in_pixels(self):
        result = self.score(self.CIRCLE, [self.BOX], [0.9])
        assert result.discrete.true_positive_rate.tolist() == [1]
        assert result.continuous.true_positive_rate[0] == pytest.approx(np.pi / 4, abs=0.02)
        assert result.discrete.false_positives.tolist() == [0]

    def test_assignment_maximises_the_sum_of_overlaps(self):
        ellipses = np.concatenate([self.CIRCLE, self.CIRCLE + np.array([0, 0, 0, 12, 0])])
        # The better detection overlaps both faces well; the other one only the first.
        boxes = [[36, 30, 76, 70], [24, 30, 64, 70]]
        result = self.score(ellipses, boxes, [0.9, 0.8])
        assert result.discrete.true_positive_rate.tolist() == [0.5, 1]

    def test_a_second_detection_of_a_face_is_false(self):
        result = self.score(self.CIRCLE, [self.BOX, self.BOX], [0.9, 0.8])
        assert result.discrete.true_positive_rate.tolist() == [1, 1]
        assert result.discrete.false_positives.tolist() == [0, 1]

    def test_a_poor_overlap_counts_on_the_continuous_curve_alone(self):
        result = self.score(self.CIRCLE, [[50, 30, 70, 70]], [0.9])
        assert result.discrete.true_positive_rate.tolist() == [0]
        assert result.discrete.false_positives.tolist() == [1]
        assert 0.3 < result.continuous.true_positive_rate[0] < 0.5

    def test_pixels_outside_the_image_do_not_count(self):
        half = np.array([[20.0, 20, 0, 0, 50]])
        inside = self.score(half, [[0, 30, 20, 70]], [1]).continuous.true_positive_rate[0]
        assert inside == pytest.approx(np.pi / 4, abs=0.02)
        right = self.score(self.CIRCLE, [[30, 30, 50, 70]], [1], sizes={"a": (51, 100)})
        assert right.continuous.true_positive_rate[0] == pytest.approx(np.pi / 4, abs=0.02)

    def test_figures(self):
        result = self.score(self.CIRCLE, [self.BOX, [200, 200, 220, 220]], [0.9, 0.5]).to_dict()
        assert result["label"] == "subset of FDDB: 1 images, 1 faces"
        assert result["discrete"] == {"1": 1}
        assert result["folds"] == {"1": {"images": 1, "faces": 1, "true_positive_rate": 1.0, "false_positives": 1.0}}

    def test_nothing_found(self):
        result = self.score(self.CIRCLE, [], [])
        assert result.to_dict()["discrete"] == {"0": 0}

    def test_an_ellipse_thinner_than_a_pixel_and_a_box_without_area_outside(self):
        result = self.score(np.array([[5, 0.5, 0, 50, 50]]), [[-9, -9, -5, -5]], [1])
        assert result.continuous.true_positive_rate.tolist() == [0]

    def test_nothing_to_score_and_missing_detections(self):
        with pytest.raises(DataError, match="no annotated face"):
            score_fddb([], {})
        with pytest.raises(DataError, match="no detections for 1 of 1 images, such as 'a'"):
            score_fddb([FddbImage("a", 1, self.CIRCLE)], {})


class TestLandmarks:
    POINTS = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
    FACE = LandmarkFace("a", POINTS, np.array([10.0, 10, 90, 90]))

    def test_errors_are_parts_of_the_eyes_distance_and_of_the_face(self):
        result = score_landmarks([self.FACE], {"a": self.POINTS + np.array([3, 4])}).to_dict()
        assert result["inter_ocular"]["mean"] == pytest.approx(5 / 40)
        assert result["face_size"]["mean"] == pytest.approx(5 / 80)
        assert result["inter_ocular"]["failure_rate"] == 1
        assert result["face_size"]["failure_rate"] == 0

    def test_points_are_told_apart(self):
        moved = self.POINTS.copy()
        moved[2] += [8, 0]
        points = score_landmarks([self.FACE], {"a": moved}).to_dict()["inter_ocular"]["points"]
        assert points == {name: pytest.approx(0.2 if name == "nose" else 0) for name in POINTS}

    def test_faces_that_are_not_found_are_failures_without_an_error(self):
        faces = [self.FACE, LandmarkFace("b", self.POINTS, self.FACE.box)]
        result = score_landmarks(faces, {"a": self.POINTS, "b": None})
        figures = result.to_dict()
        assert (figures["faces"], figures["missed"]) == (2, 1)
        assert figures["inter_ocular"]["mean"] == 0
        assert figures["inter_ocular"]["failure_rate"] == 0.5
        assert figures["inter_ocular"]["failure_rate_of_found"] == 0
        assert result.cumulative("inter-ocular").tolist() == [0.5] * len(CURVE)

    def test_nothing_found(self):
        figures = score_landmarks([self.FACE], {"a": None}).to_dict()["face_size"]
        assert (figures["mean"], figures["failure_rate"]) == (None, 1.0)

    def test_nothing_to_score_and_missing_landmarks(self):
        with pytest.raises(DataError, match="no face to score"):
            score_landmarks([], {})
        with pytest.raises(DataError, match="no landmarks for 1 of 1 images, such as 'a'"):
            score_landmarks([self.FACE], {})

    def test_the_detection_that_overlaps_the_face_most_is_taken(self):
        landmarks = np.stack([self.POINTS, self.POINTS + 1])
        found = Detections([[200, 200, 280, 280], [12, 12, 92, 92]], [0.9, 0.5], landmarks)
        np.testing.assert_array_equal(choose_face(found, self.FACE.box), landmarks[1])

    def test_no_detection_is_near_enough_or_has_landmarks(self):
        far = Detections([[80, 80, 160, 160]], [0.9], self.POINTS[None])
        assert choose_face(far, self.FACE.box) is None
        assert choose_face(Detections([self.FACE.box], [0.9]), self.FACE.box) is None
        assert choose_face(Detections.none(), self.FACE.box) is None


class TestSpeed:
    def test_percentiles_and_stages(self):
        timings = [Timing(0.5, ms / 1000, {"pnet": ms / 2000}, 2.0, 12.5 if ms == 50 else None) for ms in range(1, 101)]
        speed = Speed.of(timings).to_dict()
        assert speed["images"] == 100
        assert speed["mean_ms"] == pytest.approx(50.5)
        assert [speed[f"p{p}_ms"] for p in (50, 95, 99)] == pytest.approx([50.5, 95.05, 99.01])
        assert speed["images_per_second"] == pytest.approx(1000 / 50.5)
        assert speed["decode_ms"] == 500
        assert speed["stages_ms"] == {"pnet": pytest.approx(25.25)}
        assert speed["peak_memory_mb"] == 12.5
        assert speed["cpu_ms"] == 2000
        assert Speed.of([Timing(0.5, 0.1)]).cpu_ms is None

    def test_memory_grows_with_what_is_held(self):
        """In a process of its own: what other tests have held in this one may have been more."""
        program = (
            "from mtcnn_fast.evaluation.speed import peak_memory_mb\n"
            "before = peak_memory_mb()\n"
            "held = bytearray(b'x') * 60_000_000\n"
            "print(peak_memory_mb() - before)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert 55 < float(done.stdout) < 100

    def test_memory_without_proc(self, monkeypatch):
        monkeypatch.setattr("mtcnn_fast.evaluation.speed.Path.exists", lambda path: False)
        assert 10 < peak_memory_mb() < 1e6


def test_cells_and_tables():
    cells = [as_cell(value) for value in (None, True, False, 0.12345, 1234.5, 12345, "x")]
    assert cells == ["-", "yes", "no", "0.1235", "1,234.5", "12,345", "x"]
    assert as_markdown(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    assert as_text({"a_b": {"c": 0.5}, "settings": {"x": 1}}).split() == ["a", "b", "c", "0.5000"]
