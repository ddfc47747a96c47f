"""WIDER FACE's own annotation, and RetinaFace's with landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import DataError
from mtcnn_fast.datasets import present, read_retinaface, read_widerface_records
from support.data import shared
from support.files import write

OFFICIAL = (
    "0--Parade/0_Parade_a_1.jpg",
    "3",
    "449 330 122 149 0 1 0 0 2 1",
    "10 20 30 0 2 0 0 0 0 0",
    "50 60 7 9 2 0 1 1 0 0",
    "1--Handshaking/b.jpg",
    "0",
    "0 0 0 0 0 0 0 0 0 0",
    "1--Handshaking/c.jpg",
    "1",
    "1 2 3 4 0 0 0 0 0 0",
)


def test_official_annotation(tmp_path: Path) -> None:
    annotation = write(tmp_path / "gt.txt", *OFFICIAL)
    first, second, third = read_widerface_records(annotation, "images")
    assert first.path == Path("images/0--Parade/0_Parade_a_1.jpg")
    assert first.boxes.tolist() == [[449, 330, 571, 479], [10, 20, 40, 20], [50, 60, 57, 69]]
    # The second has no height, the third is marked invalid.
    assert first.usable.tolist() == [True, False, False]
    assert {name: int(values[0]) for name, values in first.attributes.items()} == {
        "blur": 0,
        "expression": 1,
        "illumination": 0,
        "invalid": 0,
        "occlusion": 2,
        "pose": 1,
    }
    assert first.complete
    assert len(second) == 0
    assert third.boxes.tolist() == [[1, 2, 4, 6]]


def test_streams(tmp_path: Path) -> None:
    annotation = write(tmp_path / "gt.txt", *OFFICIAL[:8], "broken")
    records = read_widerface_records(annotation, "images")
    assert [len(next(records)), len(next(records))] == [3, 0]
    with pytest.raises(DataError):
        next(records)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (("0--Parade/a.jpg", "2", "1 2 3 4 0 0 0 0 0 0"), 4, "the file ends where row 2 of 2"),
        (("0--Parade/a.jpg", "one"), 2, "number of faces must be a whole number"),
        (("0--Parade/a.jpg", "1", "1 2 3 x 0 0 0 0 0 0"), 3, "a row must be x y width height"),
        (("0--Parade/a.jpg", "1", "1 2 3"), 3, "10 numbers"),
        (("0--Parade/a.jpg", "1", "1 2 3 inf 0 0 0 0 0 0"), 3, "finite"),
        (("a.jpg", "0"), 1, "EVENT/NAME.jpg"),
        (("0--Parade/a.jpg", "0", "0--Parade/a.jpg", "0"), 3, "annotated twice"),
    ],
)
def test_official_errors_name_file_and_line(tmp_path: Path, lines: tuple[str, ...], line: int, message: str) -> None:
    annotation = write(tmp_path / "gt.txt", *lines)
    with pytest.raises(DataError, match=message) as caught:
        list(read_widerface_records(annotation, "images"))
    assert (caught.value.file, caught.value.line) == (str(annotation), line)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        list(read_widerface_records(tmp_path / "none.txt", "images"))
    with pytest.raises(DataError, match="holds no annotation"):
        list(read_widerface_records(write(tmp_path / "empty.txt"), "images"))
    with pytest.raises(DataError, match="holds no annotation"):
        list(read_retinaface(write(tmp_path / "empty.txt"), "images"))


def test_the_training_images(tmp_path: Path) -> None:
    annotation = shared("wider/wider_face_split/wider_face_train_subset768_bbx_gt.txt")
    records = list(read_widerface_records(annotation, shared("wider/WIDER_train_768/images")))
    assert (len(records), sum(map(len, records))) == (720, 14_658)
    assert len(list(present(records))) == 720
    # Faces that the scaling left without width or height are ignored like those marked invalid.
    for record in records:
        without = (record.boxes[:, 2:] <= record.boxes[:, :2]).any(axis=1)
        assert np.array_equal(record.ignored, without | (record.attributes["invalid"] != 0))


FACE = "449 330 122 149 488.9 373.6 0.0 542.1 376.4 0.0 515.0 412.8 1.0 485.2 425.9 0.0 538.4 431.5 0.0 0.82"


def test_retinaface_annotation(tmp_path: Path) -> None:
    without = "10 20 5 6 " + " ".join(["-1.0"] * 15) + " 0.1"
    annotation = write(tmp_path / "label.txt", "# 0--Parade/a.jpg", FACE, without, "# 0--Parade/b.jpg", "1 2 3 0")
    first, second = read_retinaface(annotation, "images")
    assert first.path == Path("images/0--Parade/a.jpg")
    assert first.boxes.tolist() == [[449, 330, 571, 479], [10, 20, 15, 26]]
    assert first.has_landmarks.tolist() == [True, False]
    assert np.allclose(first.points[0, :2], [[488.9, 373.6], [542.1, 376.4]])
    assert np.isnan(first.points[1]).all()
    # The validation list has boxes alone.
    assert second.boxes.tolist() == [[1, 2, 4, 2]]
    assert second.usable.tolist() == [False]


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (("1 2 3 4",), 1, "must begin with a row '# EVENT/NAME.jpg'"),
        (("#", "1 2 3 4"), 1, "must begin with a row"),
        (("# a.jpg", "1 2 3 4 5"), 2, "five times x y flag"),
        (("# a.jpg", FACE, FACE.replace("412.8", "here")), 3, "a row must be"),
        (("# a.jpg", "1 2 -3 4"), 2, "must not be negative, got -3 and 4"),
    ],
)
def test_retinaface_errors_name_file_and_line(tmp_path: Path, lines: tuple[str, ...], line: int, message: str) -> None:
    annotation = write(tmp_path / "label.txt", *lines)
    with pytest.raises(DataError, match=message) as caught:
        list(read_retinaface(annotation, "images"))
    assert (caught.value.file, caught.value.line) == (str(annotation), line)
