"""Files, folders, patterns and standard input of ``mtcnn-fast detect``."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtcnn_fast import Faces
from support.cli import detect_json, usage_error

ODD_NAMES = ["two words.png", "ümläut 日本.png", "tab\tline\nbreak.png", "-dash.png", os.fsdecode(b"\xff\xe9.png")]


def test_file(photo: str, faces: Faces) -> None:
    (record,) = detect_json(photo)
    assert record == {"path": "photo.png", **faces.to_dict(), "error": None}
    assert (record["width"], record["height"]) == (112, 112)
    assert len(record["faces"]) == 1


def test_paths_are_printed_as_they_were_given(photo: str) -> None:
    given = ["./photo.png", photo, f"{Path.cwd()}//photo.png"]
    assert [record["path"] for record in detect_json(*given)] == given


def test_folder(album: str) -> None:
    records = detect_json(album, ending=1)
    assert [record["path"] for record in records] == ["album/blank.png", "album/face.PNG", "album/torn.jpg"]
    assert [len(record["faces"]) for record in records] == [0, 1, 0]
    assert [record["error"] is None for record in records] == [True, True, False]


@pytest.mark.parametrize("option", ["-r", "--recursive"])
def test_folders_within(option: str, album: str) -> None:
    records = detect_json(option, album, ending=1)
    assert [record["path"] for record in records] == [
        "album/blank.png",
        "album/face.PNG",
        "album/torn.jpg",
        "album/sub/face.png",
        "album/sub/deep/face.png",
    ]


def test_folder_without_images(album: str) -> None:
    (record,) = detect_json("album/empty", ending=1)
    assert record == {
        "path": "album/empty",
        "width": None,
        "height": None,
        "faces": [],
        "error": "there is no image in the folder",
    }
    Path("outer/inner").mkdir(parents=True)
    (record,) = detect_json("outer", ending=1)
    assert record["error"] == "there is no image in the folder itself; -r searches those within it too"


def test_unreadable_folder_is_named(album: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    errors = {record["path"]: record["error"] for record in detect_json("-r", album, ending=1)}
    assert errors["album/sub/deep"] == "the folder cannot be read (Permission denied)"
    assert errors["album/sub/face.png"] is None


def test_patterns(album: str) -> None:
    assert [record["path"] for record in detect_json("album/*.png")] == ["album/blank.png"]
    assert [record["path"] for record in detect_json("album/**/f*.png")] == [
        "album/sub/deep/face.png",
        "album/sub/face.png",
    ]
    (record,) = detect_json("album/*.webp", ending=1)
    assert record["error"] == "no file matches the pattern"


def test_name_that_looks_like_a_pattern(photo: str) -> None:
    Path(photo).rename("photo[1].png")
    (record,) = detect_json("photo[1].png")
    assert (record["path"], record["error"]) == ("photo[1].png", None)


def test_standard_input(photo: str, faces: Faces) -> None:
    assert detect_json("-", stdin=Path(photo).read_bytes()) == [{"path": "-", **faces.to_dict(), "error": None}]
    (record,) = detect_json("-", stdin=b"no image", ending=1)
    assert record["error"].startswith("encoded image of 8 bytes is not an image that can be read")


def test_standard_input_is_read_once(photo: str) -> None:
    assert "Invalid value for 'PATH': - can be given once only" in usage_error("-", photo, "-")


def test_missing_file(photo: str) -> None:
    records = detect_json("nowhere.jpg", photo, "", ending=1)
    assert [len(record["faces"]) for record in records] == [0, 1, 0]
    assert [(record["error"] or "").split(";")[0] for record in records] == ["does not exist", "", "does not exist"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_named_pipe(photo: str, faces: Faces) -> None:
    os.mkfifo("pipe")
    child = os.fork()
    if child == 0:
        try:
            Path("pipe").write_bytes(Path(photo).read_bytes())
        finally:
            os._exit(0)
    (record,) = detect_json("pipe")
    os.waitpid(child, 0)
    assert record["faces"] == faces.to_dict()["faces"]


def test_special_file_that_cannot_be_read(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == Path("/dev/null"):
            raise OSError(5, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (record,) = detect_json("/dev/null", ending=1)
    assert record["error"] == "'/dev/null' cannot be read (Input/output error)"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(name: str, photo: str) -> None:
    Path(photo).rename(name)
    (record,) = detect_json("--", name)
    assert (record["path"], len(record["faces"])) == (name, 1)


def test_no_path() -> None:
    assert "Missing argument" in usage_error()


def test_many_files_need_the_memory_of_few(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: set[int] = set()
    most = 0

    def read(path: str, max_pixels: int) -> Any:
        nonlocal most
        image = np.zeros((20, 20, 3), np.uint8)
        number = len(alive) and max(alive) + 1
        alive.add(number)
        weakref.finalize(image, alive.remove, number)
        most = max(most, len(alive))
        return image

    monkeypatch.setattr("mtcnn_fast.cli.run.read_source", read)
    monkeypatch.setattr("mtcnn_fast.batch_detection.best_batch_size", lambda backend: 4)
    assert len(detect_json(*[photo] * 60)) == 60
    # A batch, the image whose pictures were written last, and one that is just being read.
    assert 4 <= most <= 6
