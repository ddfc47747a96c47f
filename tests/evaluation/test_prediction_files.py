"""Files of detections and curves: what their readers accept, and errors that name file and line."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.errors import DataError, MissingExtraError
from mtcnn_fast.evaluation import (
    Detections,
    read_published_curves,
)
from mtcnn_fast.evaluation.curves import read_published_curve
from mtcnn_fast.evaluation.prediction_files import (
    read_fddb_detections,
    read_widerface_predictions,
    write_fddb_detections,
    write_widerface_predictions,
)
from mtcnn_fast.optional import require
from support.files import write

KNOWN = ["0--Parade/a", "0--Parade/b"]
SOME = Detections([[1.25, 2, 30, 40.5], [5, 6, 17, 18]], [0.5, 0.9])


def problem(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    return caught.value


class TestWiderPredictions:
    def test_written_and_read(self, tmp_path):
        write_widerface_predictions(tmp_path, {KNOWN[0]: SOME, KNOWN[1]: Detections.none()})
        found = read_widerface_predictions(tmp_path, KNOWN)
        np.testing.assert_allclose(found[KNOWN[0]].boxes, SOME.boxes[::-1])
        np.testing.assert_array_equal(found[KNOWN[0]].scores, [0.9, 0.5])
        assert len(found[KNOWN[1]]) == 0

    @pytest.mark.parametrize("name", ["a", "a.jpg", "0--Parade/a.jpg"])
    def test_forms_of_the_name(self, tmp_path, name):
        write(tmp_path / "0--Parade/a.txt", name, "1", "1 2 3 4 0.5")
        assert read_widerface_predictions(tmp_path, KNOWN)[KNOWN[0]].boxes.tolist() == [[1, 2, 4, 6]]

    @pytest.mark.parametrize(
        ("lines", "line", "message"),
        [
            (["b", "0"], 1, "the first line must name the image 'a', got 'b'"),
            (["a"], 2, "the file ends where the number of boxes is expected"),
            (["a", "many"], 2, "the number of boxes must be a whole number, got 'many'"),
            (["a", "-1"], 2, "must be a whole number of 0 or more"),
            (["a", "2", "1 2 3 4 0.5"], 4, "the file ends where row 2 of 2"),
            (["a", "1", "1 2 3 4 0.5", "1 2 3 4 0.4"], 4, "more rows than the 1 that line 2 announces"),
            (["a", "1", "1 2 3 4"], 3, "a row must be x y width height score (5 numbers), got '1 2 3 4'"),
            (["a", "1", "1 2 3 4 high"], 3, "a row must be x y width height score, got"),
            (["a", "1", "1 2 nan 4 0.5"], 3, "must be finite"),
            (["a", "1", "1 2 3 4 inf"], 3, "must be finite"),
            (["a", "1", "1 2 -3 4 0.5"], 3, "width and height must not be negative"),
        ],
    )
    def test_bad_files(self, tmp_path, lines, line, message):
        path = write(tmp_path / "0--Parade/a.txt", *lines)
        error = problem(read_widerface_predictions, tmp_path, KNOWN)
        assert (error.file, error.line) == (str(path), line)
        assert message in str(error)
        assert str(error).startswith(f"{path}:{line}: ")

    def test_rows_are_sorted_by_score(self, tmp_path):
        write(tmp_path / "0--Parade/a.txt", "a", "4", "1 1 1 1 0.5", "2 2 1 1 0.9", "3 3 1 1 0.5", "4 4 1 1 0.7")
        found = read_widerface_predictions(tmp_path, KNOWN)[KNOWN[0]]
        assert found.scores.tolist() == [0.9, 0.7, 0.5, 0.5]
        assert found.boxes[:, 0].tolist() == [2, 4, 1, 3]

    @pytest.mark.parametrize("data", [b"\xef\xbb\xbfa\r\n1\r\n1 2 3 4 0.5 \r\n", b"0--Parade\\a.jpg\r1\r1 2 3 4 0.5\r"])
    def test_files_from_windows(self, tmp_path, data):
        (tmp_path / "0--Parade").mkdir()
        (tmp_path / "0--Parade/a.txt").write_bytes(data)
        assert read_widerface_predictions(tmp_path, KNOWN)[KNOWN[0]].boxes.tolist() == [[1, 2, 4, 6]]

    def test_images_that_differ_in_their_ending_alone(self, tmp_path):
        known = ["0--E/a.jpg", "0--E/a.png"]
        write_widerface_predictions(tmp_path, dict.fromkeys(known, SOME))
        assert list(read_widerface_predictions(tmp_path, known)) == known
        write(tmp_path / "0--E/a.txt", "a", "0")
        assert "no image '0--E/a', but '0--E/a.jpg' and '0--E/a.png'" in str(
            problem(read_widerface_predictions, tmp_path, known)
        )

    def test_unknown_image(self, tmp_path):
        path = write(tmp_path / "0--Parade/z.txt", "z", "0")
        error = problem(read_widerface_predictions, tmp_path, KNOWN)
        assert error.file == str(path)
        assert "no image '0--Parade/z'" in error.message

    def test_no_folder_and_no_files(self, tmp_path):
        assert "there is no such folder" in str(problem(read_widerface_predictions, tmp_path / "none", KNOWN))
        assert "no EVENT/NAME.txt" in str(problem(read_widerface_predictions, tmp_path, KNOWN))


class TestFddbDetections:
    def test_written_and_read(self, tmp_path):
        write_fddb_detections(tmp_path / "found.txt", {"a/b": SOME, "c": Detections.none()})
        for path in (tmp_path, tmp_path / "found.txt"):
            found = read_fddb_detections(path, ["a/b", "c"])
            np.testing.assert_allclose(found["a/b"].boxes, SOME.boxes[::-1])
            assert len(found["c"]) == 0

    def test_dos_line_ends(self, tmp_path):
        (tmp_path / "found.txt").write_bytes(b"a\r\n1\r\n1 2 3 4 0.5\r\n\x1a")
        assert len(read_fddb_detections(tmp_path / "found.txt", ["a"])["a"]) == 1

    def test_rows_are_sorted_by_score(self, tmp_path):
        path = write(tmp_path / "found.txt", "a", "3", "1 1 1 1 0.5", "2 2 1 1 0.9", "3 3 1 1 0.5")
        assert read_fddb_detections(path, ["a"])["a"].boxes[:, 0].tolist() == [2, 1, 3]

    @pytest.mark.parametrize(
        ("lines", "line", "message"),
        [
            (["z", "0"], 1, "the annotation has no image 'z'"),
            (["a", "0", "a", "0"], 3, "the image 'a' comes twice"),
            (["a", "2", "1 2 3 4 0.5", "a"], 4, "a row must be x y width height score"),
            (["a", "1.5"], 2, "must be a whole number"),
        ],
    )
    def test_bad_files(self, tmp_path, lines, line, message):
        error = problem(read_fddb_detections, write(tmp_path / "f.txt", *lines), ["a"])
        assert error.line == line
        assert message in str(error)

    def test_nothing_there(self, tmp_path):
        assert "no .txt file" in str(problem(read_fddb_detections, tmp_path, ["a"]))
        assert "cannot be read" in str(problem(read_fddb_detections, tmp_path / "none.txt", ["a"]))


class TestPublishedCurves:
    def test_both_versions_of_matlab(self, tmp_path):
        io, h5py = pytest.importorskip("scipy.io"), pytest.importorskip("h5py")
        points = np.array([[1.0, 0.0], [0.5, 1.0], [0.4, 1.0]])
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        io.savemat(tmp_path / "one/wider_pr_info_one_easy_val.mat", {"pr_cruve": points, "legend_name": "One"})
        newer = tmp_path / "two/wider_pr_info_two_hard.mat"
        with h5py.File(newer, "w", userblock_size=512) as file:
            file["pr_cruve"] = points.T
            file["legend_name"] = np.array([[ord(letter)] for letter in "Two"], np.uint16)
        with newer.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file")
        curves = read_published_curves(tmp_path)
        assert {legend: list(by_subset) for legend, by_subset in curves.items()} == {"One": ["easy"], "Two": ["hard"]}
        assert curves["One"]["easy"].area == curves["Two"]["hard"].area == 0.5

    def test_bad_files(self, tmp_path):
        io = pytest.importorskip("scipy.io")
        assert "no DETECTOR/wider_pr_info" in str(problem(read_published_curves, tmp_path))
        assert "cannot be read" in str(problem(read_published_curve, tmp_path / "none.mat"))
        # As a long text, as a short one, and as none at all.
        for count in (200, 3, 0):
            assert "no published curve" in str(problem(read_published_curve, write(tmp_path / "a.mat", "x" * count)))
        io.savemat(tmp_path / "b.mat", {"pr_cruve": np.zeros((3, 4)), "legend_name": "B"})
        assert "must be N x 2" in str(problem(read_published_curve, tmp_path / "b.mat"))


def test_missing_package_is_named_with_the_remedy():
    with pytest.raises(MissingExtraError, match=r"plotting needs no_such_package, .*pip install 'mtcnn-fast\[eval\]'"):
        require("no_such_package.part", "plotting")
