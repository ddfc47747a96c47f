"""Errors of files that are not there are also Python's own, whatever reads them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mtcnn_fast import (
    ConfigError,
    DataError,
    Detector,
    ImageError,
    MtcnnFastError,
    WeightsError,
    list_images,
    load_faces,
)
from mtcnn_fast.datasets import coco, fddb, landmark_lists, widerface
from mtcnn_fast.datasets.image_files import image_file
from mtcnn_fast.datasets.records import present
from mtcnn_fast.errors import _FROM_SYSTEM, file_error, missing_file
from mtcnn_fast.evaluation.curves import read_published_curve
from mtcnn_fast.evaluation.prediction_files import read_fddb_detections, read_widerface_predictions
from mtcnn_fast.faces import Faces
from mtcnn_fast.images import load_image
from mtcnn_fast.training.config import load_config
from mtcnn_fast.weights import load_weights

READERS: dict[str, tuple[type[MtcnnFastError], Callable[[Path], object]]] = {
    "image": (ImageError, load_image),
    "listing": (ImageError, list_images),
    "pattern": (ImageError, lambda path: list_images(path.parent / "nothing*.jpg")),
    "weights": (WeightsError, load_weights),
    "detector": (WeightsError, lambda path: Detector("numpy", weights=path)),
    "faces": (DataError, lambda path: load_faces(path.with_suffix(".json"))),
    "face file": (DataError, lambda path: Faces.load(path.with_suffix(".json"))),
    "coco": (DataError, lambda path: list(coco.read_coco(path, path.parent))),
    "fddb": (DataError, fddb.read_fddb_images),
    "fddb detections": (DataError, lambda path: read_fddb_detections(path, ())),
    "fddb curve": (DataError, fddb.read_roc),
    "widerface": (DataError, widerface.read_widerface_images),
    "retinaface": (DataError, lambda path: list(widerface.read_retinaface(path, path.parent))),
    "published curve": (DataError, read_published_curve),
    "landmarks": (DataError, lambda path: list(landmark_lists.read_landmark_list(path, path.parent))),
    "predictions": (DataError, lambda path: read_widerface_predictions(path, ())),
    "training": (ConfigError, load_config),
}


@pytest.mark.parametrize("name", READERS)
def test_missing_files(name: str, tmp_path: Path) -> None:
    kind, read = READERS[name]
    with pytest.raises(FileNotFoundError) as caught:
        read(tmp_path / "nothing")
    error = caught.value
    assert isinstance(error, kind)
    assert "nothing" in str(error)
    assert Path(error.filename).name.startswith("nothing")
    assert error.errno == 2


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"pattern"}))
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    kind, read = READERS[name]
    with pytest.raises(kind, match="nnnnn"):
        read(tmp_path / ("n" * 300))


def test_a_name_in_an_annotation_that_no_file_can_have(tmp_path: Path) -> None:
    assert image_file(tmp_path, "n" * 300, None) == tmp_path / ("n" * 300 + ".jpg")
    (tmp_path / "label.txt").write_text(f"# {'n' * 300}.jpg\n1 2 3 4 {'-1 ' * 15}1\n")
    (record,) = widerface.read_retinaface(tmp_path / "label.txt", tmp_path)
    assert not list(present([record]))


def test_a_file_that_is_missing_in_a_folder_of_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the file is missing: a weights folder holds p\.safetensors"):
        load_weights(tmp_path)


@pytest.mark.parametrize("both", _FROM_SYSTEM)
def test_copies_keep_what_they_say(both: type[MtcnnFastError]) -> None:
    kind, system = both.__bases__[1:]
    cause = system(13, "some reason", "a.file")
    error = file_error(kind, cause, "message", "a.file", 7) if kind is DataError else file_error(kind, cause, "message")
    assert type(error) is both
    for again in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(again, (kind, system))
        assert str(again) == ("a.file:7: message" if kind is DataError else "message")
        assert (again.errno, again.strerror, again.filename) == (13, "some reason", "a.file")
        assert getattr(again, "line", 7) == 7


def test_other_causes_make_the_plain_error() -> None:
    for cause in (OSError(5, "input/output error"), ValueError("damaged")):
        assert type(file_error(WeightsError, cause, "message")) is WeightsError
    assert missing_file("a.jpg").strerror
