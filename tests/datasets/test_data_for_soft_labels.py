"""WIDER FACE's annotation as MATLAB file, and landmarks that a detector made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import DataError
from mtcnn_fast.datasets import FaceRecord, read_widerface_records, with_pseudo_landmarks
from mtcnn_fast.datasets.widerface_mat import LABELS
from support.files import write

scipy_io = pytest.importorskip("scipy.io", reason="MATLAB files need scipy")

POINTS = "12 11 28 12 20 20 13 28 27 29"


def cells(*values: object) -> np.ndarray:
    """A MATLAB cell array, one column."""
    result = np.empty((len(values), 1), object)
    for place, value in enumerate(values):
        result[place, 0] = value
    return result


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    boxes = np.array([[449, 330, 122, 149], [50, 60, 7, 9]], np.float64)
    faces = {"blur_label_list": [1, 2], "invalid_label_list": [0, 1], "pose_label_list": [1, 0]}
    variables = {
        "event_list": cells("0--Parade"),
        "file_list": cells(cells("a_1", "b")),
        "face_bbx_list": cells(cells(boxes, np.empty((0, 4)))),
        **{name: cells(cells(np.array(faces.get(name, [0, 0]))[:, None], np.empty((0, 1)))) for name in LABELS},
    }
    scipy_io.savemat(tmp_path / "wider_face_train.mat", variables)
    return tmp_path / "wider_face_train.mat"


def test_the_matlab_file_reads_as_the_text(annotation: Path) -> None:
    first, second = read_widerface_records(annotation, "images")
    assert first.path == Path("images/0--Parade/a_1.jpg")
    assert first.boxes.tolist() == [[449, 330, 571, 479], [50, 60, 57, 69]]
    assert first.usable.tolist() == [True, False]
    assert {name: values.tolist() for name, values in first.attributes.items()} == {
        "blur": [1, 2],
        "expression": [0, 0],
        "illumination": [0, 0],
        "invalid": [0, 1],
        "occlusion": [0, 0],
        "pose": [1, 0],
    }
    assert len(second) == 0


def test_a_matlab_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "other.mat", {"event_list": cells("x")})
    with pytest.raises(DataError, match="has no variable file_list"):
        list(read_widerface_records(tmp_path / "other.mat", "images"))
    with pytest.raises(DataError, match="is missing"):
        list(read_widerface_records(tmp_path / "none.mat", "images"))
    write(tmp_path / "text.mat", "no MATLAB file")
    with pytest.raises(DataError, match="is no MATLAB file"):
        list(read_widerface_records(tmp_path / "text.mat", "images"))


def record(*boxes: tuple[float, float, float, float], ignored: list[bool] | None = None) -> FaceRecord:
    marks = None if ignored is None else np.array(ignored)
    return FaceRecord(Path("images/event/name.jpg"), np.array(boxes), ignored=marks)


def test_faces_get_the_landmarks_of_the_detections_that_cover_them(tmp_path: Path) -> None:
    (tmp_path / "event").mkdir()
    rows = (f"10 10 20 20 {POINTS} 0.99", f"60 60 20 20 {POINTS} 0.99", f"100 100 20 20 {POINTS} 0.5")
    write(tmp_path / "event" / "name.txt", "event/name.jpg", "3", *rows)
    boxes = ((11, 11, 31, 31), (70, 70, 90, 90), (100, 100, 120, 120), (60, 60, 80, 80))
    given = record(*boxes, ignored=[False, False, False, True])
    (found,) = with_pseudo_landmarks([given], tmp_path)
    # The second overlaps too little, the third one's detection is uncertain, the fourth is ignored.
    assert found.has_landmarks.tolist() == [True, False, False, False]
    assert found.points[0].tolist() == np.array(POINTS.split(), float).reshape(5, 2).tolist()
    assert found.boxes.tolist() == given.boxes.tolist()
    (all_scores,) = with_pseudo_landmarks([given], tmp_path, min_score=0.4)
    assert all_scores.has_landmarks.tolist() == [True, False, True, False]


def test_images_without_detections_stay_as_they_are(tmp_path: Path) -> None:
    given = record((1, 1, 20, 20))
    (found,) = with_pseudo_landmarks([given], tmp_path)
    assert found is given
    (tmp_path / "event").mkdir()
    write(tmp_path / "event" / "name.txt", "event/name.jpg", "0")
    (none,) = with_pseudo_landmarks([given], tmp_path)
    assert not none.has_landmarks.any()


def test_a_file_of_another_form_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "event").mkdir()
    write(tmp_path / "event" / "name.txt", "event/name.jpg", "1", "1 2 3 4 5")
    with pytest.raises(DataError, match=r"name\.txt.*3"):
        list(with_pseudo_landmarks([record((1, 1, 20, 20))], tmp_path))
