"""Annotations: what their readers accept, and errors that name file and line."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mtcnn_fast.datasets.fddb import Roc, read_published_rocs, read_roc, sizes_from_boxes, write_roc
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation import (
    Detections,
    read_fddb,
    read_landmarks,
    read_widerface,
    select_events,
)
from mtcnn_fast.evaluation.landmarks import read_landmark_predictions, write_landmark_predictions
from support.files import write

KNOWN = ["0--Parade/a", "0--Parade/b"]
SOME = Detections([[1.25, 2, 30, 40.5], [5, 6, 17, 18]], [0.5, 0.9])


def problem(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    return caught.value


class TestWiderAnnotation:
    def test_text(self, tmp_path):
        path = write(
            tmp_path / "gt.txt",
            *("E/a.jpg", "2", "1 2 3 4 0 0 0 0 0 0", "5 6 7 8 0 0 0 1 0 0"),
            *("E/b.jpg", "0", "0 0 0 0 0 0 0 0 0 0", "F/c.jpg", "0"),
        )
        a, b, c = read_widerface(path)
        assert a.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
        assert a.subsets["all"].tolist() == [True, False]
        assert [b.key, len(b.boxes), c.key, len(c.boxes)] == ["E/b", 0, "F/c", 0]
        assert [image.key for image in select_events([a, b, c], ["F"])] == ["F/c"]

    @pytest.mark.parametrize(
        ("lines", "line", "message"),
        [
            (["photo.jpg", "0"], 1, "must be EVENT/NAME.jpg"),
            (["E/a.jpg", "0", "E/a.jpg", "0"], 3, "annotated twice"),
            (["E/a.jpg", "1", "1 2 3"], 3, "10 numbers"),
            (["E/a.jpg", "2", "1 2 3 4 0 0 0 0 0 0"], 4, "the file ends where row 2 of 2"),
        ],
    )
    def test_bad_text(self, tmp_path, lines, line, message):
        error = problem(read_widerface, write(tmp_path / "gt.txt", *lines))
        assert error.line == line
        assert message in str(error)

    def test_empty_text_and_a_single_matlab_file(self, tmp_path):
        assert "no annotation" in str(problem(read_widerface, write(tmp_path / "gt.txt", "")))
        assert "give the folder" in str(problem(read_widerface, tmp_path / "wider_face_val.mat"))

    def test_matlab(self, wider_folder):
        images = read_widerface(wider_folder / "ground_truth")
        assert [image.key for image in images] == ["0--Parade/a", "0--Parade/b", "1--Couple/c"]
        assert images[0].boxes.tolist() == [[40, 30, 100, 100]]
        assert {name: which.tolist() for name, which in images[2].subsets.items()} == {
            "easy": [True],
            "medium": [True],
            "hard": [True],
        }

    def test_bad_matlab(self, tmp_path):
        io = pytest.importorskip("scipy.io")
        assert "is missing" in str(problem(read_widerface, tmp_path))
        path = write(tmp_path / "wider_face_val.mat", "x" * 200)
        assert "is no MATLAB file" in str(problem(read_widerface, tmp_path))
        io.savemat(path, {"event_list": [1]})
        assert "has no variable file_list" in str(problem(read_widerface, tmp_path))

    def test_unknown_event(self, tmp_path):
        images = read_widerface(write(tmp_path / "gt.txt", "E/a.jpg", "0"))
        assert "no event 'F'; it has E" in str(problem(select_events, images, ["F"]))


class TestFddbAnnotation:
    def test_folds(self, fddb_folder):
        first, second = read_fddb(fddb_folder / "FDDB-folds")
        assert (first.name, first.fold, len(first.ellipses)) == ("2002/01/img_1", 1, 2)
        assert (second.name, second.fold) == ("2002/02/img_2", 2)

    def test_bad_files(self, tmp_path):
        assert "no FDDB-fold-NN" in str(problem(read_fddb, tmp_path))
        write(tmp_path / "FDDB-fold-01-ellipseList.txt", "a", "1", "3 2 0 nan 4 1")
        assert problem(read_fddb, tmp_path).line == 3

    def test_roc_files(self, tmp_path):
        roc = Roc(np.array([0.25, 0.5]), np.array([0.0, 3.0]), np.array([0.9, 0.1]))
        write_roc(tmp_path / "xDiscROC.txt", roc, scores=True)
        write_roc(tmp_path / "xContROC.txt", roc, scores=False)
        assert (tmp_path / "xDiscROC.txt").read_text() == "0.5 3 0.1\n0.25 0 0.9\n0 0 1.79769e+308\n"
        assert (tmp_path / "xContROC.txt").read_text() == "0.5 3\n0.25 0\n0 0\n"
        (pair,) = read_published_rocs(tmp_path).values()
        assert pair[0].at(np.array([0, 2, 3, 10])).tolist() == [0.25, 0.25, 0.5, 0.5]

    def test_bad_roc_files(self, tmp_path):
        assert "no NAMEDiscROC.txt" in str(problem(read_published_rocs, tmp_path))
        assert "empty" in str(problem(read_roc, write(tmp_path / "empty.txt", "")))
        assert problem(read_roc, write(tmp_path / "bad.txt", "1 2", "x y")).line == 2

    def test_sizes_from_boxes_that_end_at_the_edge(self):
        found = {
            "cut": Detections([[0, 0, 300.0, 200.4]], [1]),
            "free": Detections([[0, 0, 300.3, 200.4]], [1]),
            "none": Detections.none(),
        }
        assert sizes_from_boxes(found) == {"cut": (300, 450), "free": (450, 450), "none": (450, 450)}


class TestLandmarkLists:
    def test_with_box(self, tmp_path):
        path = write(tmp_path / "list.txt", "a.jpg 10 50 20 60 1 2 3 4 5 6 7 8 9 10")
        (face,) = read_landmarks(path)
        assert face.box.tolist() == [10, 20, 50, 60]
        assert face.points.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]

    def test_without_box_x_come_first(self, tmp_path):
        (face,) = read_landmarks(write(tmp_path / "list.txt", "a.jpg 1 3 2 1 3 1 1 2 3 3"))
        assert face.points.tolist() == [[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]]
        width, height = face.box[2:] - face.box[:2]
        assert width == pytest.approx(height)
        assert (face.box[:2] < 1).all()
        assert (face.box[2:] > 3).all()

    @pytest.mark.parametrize(
        ("lines", "line", "message"),
        [
            (["a.jpg 1 2 3"], 1, "path x1 … x5 y1 … y5"),
            (["a.jpg 1 3 2 1 3 1 1 2 3 3", "a.jpg 1 3 2 1 3 1 1 2 3 3"], 2, "comes twice"),
            (["a.jpg 1 1 2 1 3 1 1 2 3 3"], 1, "both eyes are at the same point"),
            (["a.jpg 50 10 20 60 1 2 3 4 5 6 7 8 9 10"], 1, "left right top bottom with left < right"),
        ],
    )
    def test_bad_lists(self, tmp_path, lines, line, message):
        error = problem(read_landmarks, write(tmp_path / "list.txt", *lines))
        assert error.line == line
        assert message in str(error)

    def test_empty(self, tmp_path):
        assert "empty" in str(problem(read_landmarks, write(tmp_path / "list.txt", "")))

    def test_predictions(self, tmp_path):
        points = np.arange(10.0).reshape(5, 2) / 3
        write_landmark_predictions(tmp_path / "p.txt", {"a": points, "b": None})
        found = read_landmark_predictions(tmp_path / "p.txt", ["a", "b"])
        np.testing.assert_array_equal(found["a"], points)
        assert found["b"] is None

    @pytest.mark.parametrize(
        ("lines", "line", "message"),
        [
            (["z"], 1, "no image 'z'"),
            (["a", "a"], 2, "comes twice"),
            (["a 1 2"], 1, "10 numbers"),
            (["a 1 2 3 4 5 6 7 8 9 nan"], 1, "finite"),
        ],
    )
    def test_bad_predictions(self, tmp_path, lines, line, message):
        error = problem(read_landmark_predictions, write(tmp_path / "p.txt", *lines), ["a"])
        assert error.line == line
        assert message in str(error)


class TestDetections:
    def test_counts_must_agree(self):
        with pytest.raises(DataError, match="1 boxes, 2 scores"):
            Detections(np.zeros((1, 4)), [1, 2])

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_numbers_must_be_finite(self, value):
        with pytest.raises(DataError, match="boxes of detections must be finite"):
            Detections([[0, 0, value, 1]], [1])

    def test_by_score_keeps_landmarks_with_their_boxes(self):
        landmarks = np.arange(20.0).reshape(2, 5, 2)
        ordered = Detections(SOME.boxes, SOME.scores, landmarks).by_score()
        np.testing.assert_array_equal(ordered.landmarks, landmarks[::-1])


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(DataError("is odd", "a.txt", 3)))
    assert (str(error), error.file, error.line) == ("a.txt:3: is odd", "a.txt", 3)
    assert str(DataError("is odd", "a.txt")) == "a.txt: is odd"
    assert str(DataError("is odd")) == "is odd"
