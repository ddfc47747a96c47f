"""CelebA, FDDB, lists of landmarks, and COCO's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import ConfigError, DataError, Detector
from mtcnn_fast.datasets import present, read_celeba, read_coco, read_fddb_records, read_landmark_list
from mtcnn_fast.datasets.fddb import ellipse_boxes
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.training.samples.proposals import cpu_device
from support.data import shared
from support.files import write

MARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def celeba(folder: Path, **changes: tuple[str, ...]) -> Path:
    """Write the three files for three images, with the given ones replaced."""
    files = {
        "bbox": (
            "3",
            "image_id x_1 y_1 width height",
            "000001.jpg    95  71 226 313",
            "000002.jpg  72 94 221 306",
            "000003.jpg  0 0 0 0",
        ),
        "landmarks": (
            "3",
            MARKS,
            "000001.jpg 165  184  244  176  196  249  194  271  266  260",
            "000002.jpg 140  204  220  204  168  254  146  289  226  289",
            "000003.jpg 10 20 30 20 20 30 12 40 28 40",
        ),
        "partition": ("000001.jpg 0", "000002.jpg 1", "000003.jpg 0"),
        **changes,
    }
    write(folder / "list_bbox_celeba.txt", *files["bbox"])
    write(folder / "list_landmarks_celeba.txt", *files["landmarks"])
    write(folder / "list_eval_partition.txt", *files["partition"])
    return folder


def test_celeba(tmp_path: Path) -> None:
    first, third = read_celeba(celeba(tmp_path), "img_celeba")
    assert first.path == Path("img_celeba/000001.jpg")
    assert first.boxes.tolist() == [[95, 71, 321, 384]]
    assert first.points[0].tolist() == [[165, 184], [244, 176], [196, 249], [194, 271], [266, 260]]
    assert not first.complete
    # CelebA has some boxes without area.
    assert third.usable.tolist() == [False]
    assert [r.path.name for r in read_celeba(tmp_path, "i", ("val",))] == ["000002.jpg"]
    assert len(list(read_celeba(tmp_path, "i", ("train", "val", "test")))) == 3


def test_celeba_as_it_is_distributed(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "Anno")
    (tmp_path / "Eval").mkdir()
    (folder / "list_eval_partition.txt").rename(tmp_path / "Eval" / "list_eval_partition.txt")
    assert len(list(read_celeba(folder, "img_celeba"))) == 2


@pytest.mark.parametrize(
    ("changes", "file", "line", "message"),
    [
        ({"bbox": ("x",)}, "bbox_celeba", 1, "number of images"),
        ({"bbox": ("3", "image_id x y")}, "bbox_celeba", 2, "the heading must be"),
        ({"landmarks": ("3", MARKS, "000001.jpg 1 2 3")}, "landmarks_celeba", 3, "10 numbers"),
        ({"landmarks": ("3", MARKS, "7.jpg " + "1 " * 10)}, "landmarks_celeba", 3, "must be that of '000001.jpg'"),
        ({"landmarks": ("2", MARKS)}, "landmarks_celeba", 1, "announces 2 rows"),
        ({"partition": ("000001.jpg 0", "000002.jpg 7")}, "eval_partition", 2, "must be 0 .train., 1 .val. or 2"),
        ({"partition": ("000001.jpg 0",)}, "eval_partition", 2, "the file ends"),
        ({"partition": tuple(f"00000{i}.jpg 0" for i in (1, 2, 3, 4))}, "eval_partition", 4, "more rows"),
    ],
)
def test_celeba_errors_name_file_and_line(
    tmp_path: Path, changes: dict[str, tuple[str, ...]], file: str, line: int, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(read_celeba(celeba(tmp_path, **changes), "images"))
    assert (caught.value.file, caught.value.line) == (str(tmp_path / f"list_{file}.txt"), line)


def test_celeba_refuses_unknown_partitions_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="partitions must be of train, val, test, got 'all'"):
        list(read_celeba(celeba(tmp_path), "images", ("all",)))  # type: ignore[arg-type]
    (tmp_path / "list_landmarks_celeba.txt").unlink()
    with pytest.raises(DataError, match=r"list_landmarks_celeba\.txt: cannot be read"):
        list(read_celeba(tmp_path, "images"))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, -1.2, 3.0])
def test_ellipse_boxes_touch_the_ellipse(angle: float) -> None:
    a, b, x, y = 40.0, 25.0, 100.0, 80.0
    box = ellipse_boxes(np.array([[a, b, angle, x, y]]))[0]
    turn = np.linspace(0, 2 * np.pi, 100_000)
    along, across = a * np.cos(turn), b * np.sin(turn)
    xs = x + along * np.cos(angle) - across * np.sin(angle)
    ys = y + along * np.sin(angle) + across * np.cos(angle)
    assert np.allclose(box, [xs.min(), ys.min(), xs.max(), ys.max()], atol=1e-4)


def test_fddb(tmp_path: Path) -> None:
    write(tmp_path / "FDDB-fold-03-ellipseList.txt", "2002/08/11/big/img_591", "1", "40 20 1.5707963 70 60  1")
    (record,) = read_fddb_records(tmp_path, "images")
    assert record.path == Path("images/2002/08/11/big/img_591.jpg")
    assert np.allclose(record.boxes, [[50, 20, 90, 100]], atol=1e-3)
    assert record.attributes["fold"].tolist() == [3]
    broken = write(tmp_path / "FDDB-fold-04-ellipseList.txt", "2002/08/11/big/img_1", "1", "40 20 1.57")
    with pytest.raises(DataError, match="major_radius") as caught:
        list(read_fddb_records(tmp_path, "images"))
    assert (caught.value.file, caught.value.line) == (str(broken), 3)


def test_the_fddb_images_that_are_there() -> None:
    records = list(read_fddb_records(shared("fddb/FDDB-folds"), shared("fddb/images")))
    assert (len(records), sum(map(len, records))) == (2845, 5171)
    assert len(list(present(records))) == 281


def test_lists_of_landmarks(tmp_path: Path) -> None:
    pairs = "10 30 20 40 12 22 28 23 20 30 14 36 26 37"
    boxed = write(tmp_path / "boxed.txt", "lfw_5590\\a.jpg " + pairs)
    (record,) = read_landmark_list(boxed, whole_face=False)
    assert record.path == tmp_path / "lfw_5590" / "a.jpg"
    assert record.boxes.tolist() == [[10, 20, 30, 40]]
    assert record.points[0].tolist() == [[12, 22], [28, 23], [20, 30], [14, 36], [26, 37]]
    assert not record.complete
    (whole,) = read_landmark_list(boxed)
    assert np.allclose(whole.boxes, [[9.5, 14.5, 30.5, 42.1]])

    columns = "12 28 20 14 26 22 23 30 36 37"
    for name, row, form in (("aflw", columns, None), ("mtfl", columns + " 1 2 2 3", "mtfl")):
        (other,) = read_landmark_list(write(tmp_path / f"{name}.txt", f"b.jpg {row}"), "elsewhere", form)  # type: ignore[arg-type]
        assert other.path == Path("elsewhere/b.jpg")
        assert np.array_equal(other.points, record.points)
        left, top, right, bottom = other.boxes[0]
        assert (left < 12) & (right > 28) & (top < 22) & (bottom > 37)
        assert (bottom - top) / (right - left) == pytest.approx(1.38 / 1.05)


@pytest.mark.parametrize(
    ("row", "form", "message"),
    [
        ("b.jpg 1 2 3", None, "10 numbers"),
        ("b.jpg 1 2 3 4 5 6 7 8 9 10", "box", "14 numbers"),
        ("b.jpg 30 10 20 40 12 22 28 23 20 30 14 36 26 37", None, "left < right"),
        ("a.jpg 10 30 20 40 12 22 28 23 20 30 14 36 26 37", None, "comes twice"),
        ("b.jpg 12 x 20 14 26 22 23 30 36 37", None, "a row must be"),
    ],
)
def test_list_errors_name_file_and_line(tmp_path: Path, row: str, form: str | None, message: str) -> None:
    first = "a.jpg 10 30 20 40 12 22 28 23 20 30 14 36 26 37"
    annotation = write(tmp_path / "list.txt", first, row)
    with pytest.raises(DataError, match=message) as caught:
        list(read_landmark_list(annotation, form=form))  # type: ignore[arg-type]
    assert (caught.value.file, caught.value.line) == (str(annotation), 2)


def test_the_lists_that_are_there() -> None:
    net = list(read_landmark_list(shared("landmarks/net_7876.txt")))
    assert len(list(present(net))) == 2600
    assert len(list(present(read_landmark_list(shared("landmarks/AFLW_80.txt"))))) == 2995
    # The viewer's left eye is the left one, and the mouth is below.
    points = np.concatenate([record.points for record in net])
    assert np.mean(points[:, 0, 0] < points[:, 1, 0]) > 0.99
    assert np.mean(points[:, 3, 1] > points[:, 0, 1]) > 0.99


def test_boxes_of_lists_are_as_the_detector_draws_them() -> None:
    records = list(read_landmark_list(shared("landmarks/net_7876.txt")))[5::100]
    detector = Detector(cpu_device(), num_threads=1)
    best = []
    for record in records:
        found = detector.detect(record.path).boxes.astype(np.float64)
        best.append(iou_matrix(record.boxes.astype(np.float64), found, inclusive=False).max(initial=0.0))
    # 0.64 with the lists' own boxes.
    assert np.median(best) > 0.75


KEYPOINTS = [12, 22, 2, 28, 23, 2, 20, 30, 1, 14, 36, 2, 26, 37, 2]


def coco(path: Path, **changes: object) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}, {"id": "x", "file_name": "sub/b.jpg"}],
        "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 20, 20.5], "keypoints": KEYPOINTS},
            {"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "keypoints": [*KEYPOINTS[:-1], 0]},
            {"image_id": 7, "category_id": 1, "bbox": [5, 5, 9, 9], "iscrowd": 1},
        ],
        **changes,
    }
    path.write_text(json.dumps(content))
    return path


def test_coco(tmp_path: Path) -> None:
    first, second = read_coco(coco(tmp_path / "a.json"), "images")
    assert first.path == Path("images/a.jpg")
    assert first.size == (64, 48)
    assert first.boxes.tolist() == [[10, 20, 30, 40.5], [1, 2, 4, 6], [5, 5, 14, 14]]
    assert first.has_landmarks.tolist() == [True, False, False]
    assert first.points[0].tolist() == [[12, 22], [28, 23], [20, 30], [14, 36], [26, 37]]
    assert first.usable.tolist() == [True, True, False]
    assert (second.path, len(second), second.size) == (Path("images/sub/b.jpg"), 0, None)
    assert len(next(read_coco(tmp_path / "a.json", "images", "face"))) == 2
    assert not next(read_coco(tmp_path / "a.json", "images", complete=False)).complete


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "'images' must be a list, got NoneType"),
        ({"images": [{"id": 7}]}, r"images\[0\]: 'file_name' must be a number or text, got None"),
        ({"images": [{"id": 7, "file_name": 5}]}, r"images\[0\]: 'file_name' must be text"),
        ({"images": [{"id": 7, "file_name": "a"}] * 2}, r"images\[1\]: the id 7 comes twice"),
        ({"annotations": [3]}, r"annotations\[0\] must be an object"),
        ({"annotations": [{"image_id": 9}]}, r"annotations\[0\]: there is no image with the id 9"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3]}]}, r"annotations\[0\]: 'bbox' must be 4 finite numbers"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3, float("nan")]}]}, "4 finite numbers"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, -3, 4]}]}, "must not be negative, got -3 and 4"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4], "keypoints": [1]}]}, "'keypoints' must be 15"),
    ],
)
def test_coco_errors_name_the_element(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(read_coco(coco(tmp_path / "a.json", **changes), "images"))
    assert caught.value.file == str(tmp_path / "a.json")


def test_coco_files_that_are_no_annotation(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no category 'cat', only 'face', 'dog'"):
        list(read_coco(coco(tmp_path / "a.json"), "images", "cat"))
    with pytest.raises(DataError, match="is no JSON") as caught:
        list(read_coco(write(tmp_path / "b.json", "{", '"images": [', "]]"), "images"))
    assert caught.value.line == 3
    with pytest.raises(DataError, match="must be an object"):
        list(read_coco(write(tmp_path / "c.json", "[]"), "images"))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_coco(tmp_path / "none.json", "images"))
    (tmp_path / "d.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(DataError, match="UTF-8"):
        list(read_coco(tmp_path / "d.json", "images"))
