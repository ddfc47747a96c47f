"""Every reader of text understands files from other systems: byte-order marks, line ends, separators, any names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import datasets
from mtcnn_fast.datasets.fddb import read_published_rocs, read_roc
from mtcnn_fast.datasets.image_files import image_file
from mtcnn_fast.errors import DataError

from mtcnn_fast.evaluation.landmarks import read_landmark_predictions
from mtcnn_fast.evaluation.prediction_files import read_fddb_detections, read_widerface_predictions

NAME = "Zoë-ü.JPG"
ROW = " ".join(["1 2 3 4", *["0"] * 6])


def records(read):
    """A reader of records, by the paths and boxes that it gives."""
    return lambda path: [(str(record.path), record.boxes.tolist()) for record in read(path, Path("x"))]


def celeba(path):
    root = path.parent
    heading = " ".join(
        f"{part}_{axis}" for part in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    )
    for name in ("list_landmarks_celeba.txt", "list_eval_partition.txt"):
        rows = f"1\n{heading}\n{NAME} 1 2 3 4 5 6 7 8 9 10\n" if "landmarks" in name else f"{NAME} 0\n"
        (root / name).write_text(rows, encoding="utf-8")
    return records(datasets.read_celeba)(root)


def predictions(path):
    found = read_widerface_predictions(path.parent.parent, [f"{path.parent.name}/{path.stem}"])
    return [value.boxes.tolist() for value in found.values()]


#: File name, reader, and rows; `/` stands between folders.
READERS = {
    "WIDER FACE": (
        "gt.txt",
        lambda path: [
            (image.key, image.suffix, image.boxes.tolist()) for image in datasets.read_widerface_images(path)
        ],
        [f"0--E/{NAME}", "1", ROW, "0--E/none.jpg", "0", "0 0 0 0 0 0 0 0 0 0"],
    ),
    "WIDER FACE for training": ("gt.txt", records(datasets.read_widerface_records), [f"0--E/{NAME}", "1", ROW]),
    "RetinaFace": ("label.txt", records(datasets.read_retinaface), [f"# 0--E/{NAME}", "1 2 3 4"]),
    "FDDB": (
        "FDDB-fold-01-ellipseList.txt",
        lambda path: [(image.name, image.ellipses.tolist()) for image in datasets.read_fddb_images(path.parent)],
        ["2002/08/Zoë", "1", "67.3 44.5 -1.4 105.2 87.2  1"],
    ),
    "landmarks": (
        "list.txt",
        records(datasets.read_landmark_list),
        [f"lfw/{NAME} 1 20 2 30 5 9 15 9 10 15 6 20 14 20"],
    ),
    "CelebA": ("list_bbox_celeba.txt", celeba, ["1", "image_id x_1 y_1 width height", f"{NAME}    95  71 226 313"]),
    "detections of WIDER FACE": ("0--E/Zoë.txt", predictions, ["0--E/Zoë.jpg", "1", "1 2 3 4 0.5"]),
    "detections of FDDB": (
        "found.txt",
        lambda path: {name: one.boxes.tolist() for name, one in read_fddb_detections(path, ["a/Zoë"]).items()},
        ["a/Zoë", "1", "1 2 3 4 0.5"],
    ),
    "ROC": ("DiscROC.txt", lambda path: read_roc(path).false_positives.tolist(), ["0.9 100 0.1", "0.5 10 0.5"]),
    "published ROCs": (
        "DiscROC.txt",
        lambda path: list(read_published_rocs(path.parent)),
        ["0.9 100 0.1", "0.5 10 0.5"],
    ),
    "found landmarks": (
        "points.txt",
        lambda path: {name: row.tolist() for name, row in read_landmark_predictions(path, [NAME]).items()},
        [f"{NAME} 1 2 3 4 5 6 7 8 9 10"],
    ),
}

FORMS = {
    "byte-order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "Windows, byte-order mark": lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    "old Macintosh": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "blanks": lambda text: text.replace("\n", " \t\n").encode(),
    "blank lines at the end": lambda text: text.encode() + b"\n \n\x1a",
    "tabs": lambda text: "\n".join(
        line if line.startswith("#") else line.replace(" ", "\t") for line in text.split("\n")
    ).encode(),
}


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", READERS)
def test_forms_of_a_file(tmp_path, reader, form):
    name, read, rows = READERS[reader]
    text = "\n".join(rows) + "\n"
    if reader == "published ROCs":
        written(tmp_path, "ContROC.txt", text.encode())
    expected = read(written(tmp_path, name, text.encode()))
    assert expected
    assert read(written(tmp_path, name, FORMS[form](text))) == expected


@pytest.mark.parametrize("reader", ["WIDER FACE", "WIDER FACE for training", "RetinaFace", "FDDB", "landmarks",
                                    "detections of WIDER FACE", "detections of FDDB"])  # fmt: skip
def test_separators_of_windows(tmp_path, reader):
    name, read, rows = READERS[reader]
    text = "\n".join(rows) + "\n"
    expected = read(written(tmp_path, name, text.encode()))
    assert read(written(tmp_path, name, text.replace("/", "\\").encode())) == expected


@pytest.mark.parametrize("reader", [name for name in READERS if name != "published ROCs"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path, reader, encoding):
    name, read, rows = READERS[reader]
    path = written(tmp_path, name, ("\ufeff" + "\n".join(rows)).encode(encoding))
    with pytest.raises(DataError, match="is text in UTF-16; accepted: UTF-8"):
        read(path)


def test_names_that_are_no_utf_8(tmp_path):
    path = written(tmp_path, "gt.txt", b"0--E/Zo\xeb.jpg\n1\n" + ROW.encode())
    (image,) = datasets.read_widerface_images(path)
    (record,) = datasets.read_widerface_records(path, tmp_path)
    assert os.fsencode(image.file(tmp_path)) == os.fsencode(record.path) == os.fsencode(tmp_path) + b"/0--E/Zo\xeb.jpg"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_coco(tmp_path, encoding):
    content = {"images": [{"id": 1, "file_name": "a\\Zoë.JPG"}], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}
    path = written(tmp_path, "coco.json", json.dumps(content, ensure_ascii=False).encode(encoding))
    (record,) = datasets.read_coco(path, tmp_path)
    assert record.path == tmp_path / "a" / "Zoë.JPG"
    assert record.boxes.tolist() == [[1, 2, 4, 6]]


class TestImageFiles:
    def test_one_name_with_two_endings(self, tmp_path):
        rows = ["E/a.jpg", "1", ROW, "E/a.png", "0", "E/b.jpeg", "0"]
        images = datasets.read_widerface_images(written(tmp_path, "gt.txt", "\n".join(rows).encode()))
        assert [image.key for image in images] == ["E/a.jpg", "E/a.png", "E/b"]
        files = [written(tmp_path, name, b"") for name in ("E/a.jpg", "E/a.png", "E/b.jpeg")]
        assert [image.file(tmp_path) for image in images] == files
        files[0].unlink()
        assert not images[0].file(tmp_path).is_file()

    def test_the_same_image_twice_by_another_separator(self, tmp_path):
        with pytest.raises(DataError, match="annotated twice"):
            datasets.read_widerface_images(written(tmp_path, "gt.txt", b"E/a.jpg\n0\nE\\a.jpg\n0\n"))

    @pytest.mark.parametrize("ending", [".jpg", ".JPG", ".png", ".jpeg", ".WEBP"])
    def test_any_ending_where_the_annotation_tells_none(self, tmp_path, ending):
        path = written(tmp_path, f"2002/img_1.5{ending}", b"")
        assert image_file(tmp_path, "2002/img_1.5", None) == path
        fold = written(tmp_path, "FDDB-fold-01-ellipseList.txt", b"2002/img_1.5\n1\n67 44 -1.4 105 87 1\n")
        (record,) = datasets.read_fddb_records(fold.parent, tmp_path)
        assert record.path == path

    @pytest.mark.parametrize(("stated", "there"), [(".jpg", ".JPG"), (".PNG", ".png"), (".Jpg", ".jpg")])
    def test_capitals(self, tmp_path, stated, there):
        path = written(tmp_path, f"a{there}", b"")
        assert image_file(tmp_path, "a", stated) == path

    def test_an_ending_that_is_stated_is_not_exchanged(self, tmp_path):
        written(tmp_path, "a.png", b"")
        assert image_file(tmp_path, "a", ".jpg") == tmp_path / "a.jpg"

    def test_matlab(self, tmp_path):
        io = pytest.importorskip("scipy.io", reason="scipy is not installed")

        def cell(*items):
            array = np.empty((len(items), 1), object)
            array[:, 0] = items
            return array

        names, boxes = cell(cell("a")), cell(cell(np.array([[1.0, 2, 3, 4]])))
        io.savemat(
            tmp_path / "wider_face_val.mat",
            {"event_list": cell("0--E"), "file_list": names, "face_bbx_list": boxes},
        )
        for subset in ("easy", "medium", "hard"):
            io.savemat(tmp_path / f"wider_{subset}_val.mat", {"gt_list": cell(cell(np.array([[1]])))})
        (image,) = datasets.read_widerface_images(tmp_path)
        path = written(tmp_path, "0--E/a.png", b"")
        assert image.file(tmp_path) == path
