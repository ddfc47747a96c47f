"""``mtcnn-fast cluster``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.cli import QUICKLY, problem, run
from support.embedding_models import Session, write_onnx
from support.portrait import portrait

THRESHOLD = ["--threshold", "0.97"]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with two faces of one person and one of another, for a model that knows colors only."""
    pytest.importorskip("scipy", reason="scipy is not installed")
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.fromarray(portrait()).save("photos/a.png")
    Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1])).save("photos/b.png")
    Image.fromarray(portrait()).save("photos/c.jpg", quality=95)
    return "photos"


@pytest.fixture
def model(photos: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model, or where onnxruntime is missing one that stands in for it."""
    try:
        import onnxruntime  # noqa: F401

        write_onnx(Path("model.onnx"))
    except ImportError:
        monkeypatch.setattr("mtcnn_fast.recognition.embedder._load", lambda path, threads: Session())
    return "model.onnx"


def cluster(*arguments: object, ending: int = 0):
    return run("cluster", *QUICKLY, *arguments, ending=ending)


def test_people(photos: str, model: str) -> None:
    lines = cluster(photos, "--model", model, *THRESHOLD).stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "person 1: 2 faces",
        "  photos/a.png face 1",
        "  photos/c.jpg face 1",
        "person 2: 1 face",
        "  photos/b.png face 1",
    ]


def test_json(photos: str, model: str) -> None:
    people = json.loads(cluster(photos, "--model", model, *THRESHOLD, "--json").stdout)
    assert [[face["path"] for face in person["faces"]] for person in people] == [
        ["photos/a.png", "photos/c.jpg"],
        ["photos/b.png"],
    ]
    assert people[0]["faces"][0].keys() == {"path", "face", "score", "box"}
    assert json.loads(cluster(photos, "--model", model, *THRESHOLD, "--json", "--min-size", "3").stdout) == []


def test_pictures(photos: str, model: str) -> None:
    cluster(photos, "--model", model, *THRESHOLD, "-o", "people")
    names = sorted(path.relative_to("people").as_posix() for path in Path("people").rglob("*.jpg"))
    assert names == ["person_1/0001_a_face1.jpg", "person_1/0002_c_face1.jpg", "person_2/0001_b_face1.jpg"]
    with Image.open("people/person_2/0001_b_face1.jpg") as picture:
        assert picture.size == (112, 112)
    # They are no input of a later run.
    again = cluster(".", "-r", "--model", model, *THRESHOLD)
    assert again.stdout.count("face 1,") == 3
    assert "and 2 more: written by an earlier run" in again.stderr


def test_an_image_that_cannot_be_read_stops_no_other(photos: str, model: str) -> None:
    Path("photos/torn.jpg").write_bytes(b"torn")
    result = cluster(photos, "--model", model, *THRESHOLD, ending=1)
    assert result.stdout.count("face 1,") == 3
    assert "1 input failed:" in result.stderr
    assert "photos/torn.jpg" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--threshold'"),
        (["--threshold", "2"], "threshold must be a number from -1 to 1, got 2"),
        ([*THRESHOLD, "--size", "160"], "Invalid value for '--size': size must be 112, which is the model's, got 160"),
        ([*THRESHOLD, "--std", "0"], "Invalid value for '--std': std must be"),
        ([*THRESHOLD, "--color", "hsv"], "color must be one of rgb, bgr, got 'hsv'"),
        ([*THRESHOLD, "-o", "photos"], "'photos' must be new or empty"),
        ([*THRESHOLD, "-o", "photos/a.png"], "'photos/a.png' is not a folder"),
    ],
)
def test_arguments_that_are_refused(arguments: list[str], message: str, photos: str, model: str) -> None:
    assert message in problem("cluster", photos, "--model", model, *arguments, ending=2)


def test_what_is_missing_is_named(photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime", None)
        assert "pip install 'mtcnn-fast[recognition]'" in problem(
            "cluster", photos, "--model", "model.onnx", *THRESHOLD
        )
    monkeypatch.setitem(sys.modules, "scipy.cluster.hierarchy", None)
    assert "clustering faces needs scipy" in problem("cluster", photos, "--model", "model.onnx", *THRESHOLD)
