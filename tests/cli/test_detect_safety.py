"""What ``mtcnn-fast detect`` never does: overwrite an input, read its own pictures, end a run for one picture."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mtcnn_fast.cli import pictures
from mtcnn_fast.files import written_whole
from support.cli import detect, detect_json, usage_error
from support.portrait import portrait


@pytest.fixture
def photos(photo: str) -> Path:
    """A folder with a face in each of the formats that are written, and nothing else."""
    folder = Path("photos")
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.bmp", "d.tif", "e.webp"):
        Image.fromarray(portrait()).save(folder / name, lossless=True)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("out", ["photos", "photos/out", "./photos/../photos"])
def test_pictures_of_earlier_runs_are_no_input(out: str, photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.iterdir()}
    arguments = ["photos", "-r", "--draw", "--crops", "--align", "--out", out]
    first = detect_json(*arguments)
    written = names(photos)
    assert len(first) == 5
    assert len(written) == 20
    again = detect("--jsonl", *arguments)
    assert len(again.stdout.splitlines()) == 5
    assert "mtcnn-fast: left out photos/" in again.stderr
    assert "and 14 more: written by an earlier run, and read only if it is named" in again.stderr
    assert names(photos) == written
    assert {path: path.read_bytes() for path in before} == before


def test_pictures_of_earlier_runs_are_read_if_they_are_named(photos: Path) -> None:
    detect("photos", "--draw", "--out", "photos")
    (record,) = detect_json("photos/b_faces.png")
    assert (record["error"], len(record["faces"])) == (None, 1)
    assert len(detect_json("photos/*.png")) == 1


def test_a_users_picture_of_such_a_name_is_an_input(photos: Path) -> None:
    shutil.copy(photos / "b.png", photos / "my_faces.png")
    shutil.copy(photos / "c.bmp", photos / "our_faces.bmp")
    (photos / "torn_face1.png").write_bytes(b"torn")
    assert len(detect_json("photos", ending=1)) == 8


def test_a_drawn_picture_never_replaces_an_input(photos: Path) -> None:
    shutil.copy(photos / "b.png", photos / "a_faces.jpg")
    before = (photos / "a_faces.jpg").read_bytes()
    message = usage_error("photos/a.jpg", "photos/a_faces.jpg", "--draw", "--out", "photos")
    assert "the picture of 'photos/a.jpg' would replace the input 'photos/a_faces.jpg': name another folder" in message
    assert (photos / "a_faces.jpg").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no links")
def test_a_crop_never_replaces_an_input_not_even_by_another_name(photos: Path) -> None:
    shutil.copy(photos / "b.png", photos / "b_face1.png")
    before = (photos / "b_face1.png").read_bytes()
    Path("link").symlink_to("photos", target_is_directory=True)
    records = detect_json("photos/b.png", "photos/b_face1.png", "--crops", "--align", "--out", "link", ending=1)
    assert "'link/b_face1.png' could not be written: an input has this name" in records[0]["error"]
    assert (photos / "b_face1.png").read_bytes() == before
    assert (photos / "b_aligned1.png").exists()


def test_a_picture_too_wide_for_its_format_stops_no_other(photo: str) -> None:
    Image.new("RGB", (17000, 40)).save("wide.webp", "PNG")
    wide, narrow = detect_json("wide.webp", photo, "--draw", "--out", "out", ending=1)
    assert wide["error"].startswith("the picture 'out/wide_faces.webp' could not be written: ")
    assert (narrow["error"], names(Path("out"))) == (None, ["photo_faces.png"])
    assert detect_json("wide.webp", photo, "--draw", "--out", "png", "--format", "png")[0]["error"] is None
    assert names(Path("png")) == ["photo_faces.png", "wide.webp.faces.png"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.ENAMETOOLONG, "File name too long"), "File name too long"),
        (ValueError("encoding error 6"), "encoding error 6"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("a plugin"), "a plugin"),
    ],
)
def test_whatever_a_picture_fails_with_the_others_are_done(
    error: Exception, reason: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, data: bytes, **options: Any) -> None:
        if path.name == "b_face1.png":
            raise error
        written_whole(path, data, **options)

    monkeypatch.setattr(pictures, "written_whole", write)
    records = detect_json("photos", "--crops", "--align", "--out", "out", ending=1)
    assert [record["error"] for record in records] == [
        f"the picture 'out/b_face1.png' could not be written: {reason}" if "b.png" in record["path"] else None
        for record in records
    ]
    assert len(names(Path("out"))) == 9


def test_a_name_at_the_limit_of_the_file_system(photo: str) -> None:
    name = "x" * 240 + ".png"
    Path(photo).rename(name)
    (record,) = detect_json(name, "--draw", "--out", "out")
    assert record["error"] is None
    longer = "x" * 250 + ".png"
    Path(name).rename(longer)
    (record,) = detect_json(longer, "--draw", "--out", "out", ending=1)
    assert "File name too long" in record["error"]
    assert len(names(Path("out"))) == 1


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    written_whole(target, b"one", sync=False)

    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        written_whole(target, b"two")
    assert names(tmp_path) == ["file"]
    assert target.read_bytes() == b"one"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("argument", ["photos", "photos/*"])
def test_a_pipe_in_a_folder_is_left_out_and_named(argument: str, photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    result = detect("--jsonl", argument)
    assert len(result.stdout.splitlines()) == 5
    assert result.stderr == (
        "mtcnn-fast: left out photos/pipe.jpg: not a regular file, which is read only if it is named\n"
    )


def test_heic_in_a_folder_is_left_out_and_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "mtcnn_fast.listing.importlib.util.find_spec", lambda name: None if name == "pillow_heif" else find(name)
    )
    for name in ("x.heic", "y.HEIF"):
        (photos / name).write_bytes(b"\0\0\0\x18ftypheic")
    result = detect("--jsonl", "photos")
    assert len(result.stdout.splitlines()) == 5
    assert result.stderr == (
        "mtcnn-fast: left out photos/x.heic and 1 more: HEIC, which needs pillow-heif: pip install 'mtcnn-fast[heif]'\n"
    )


def test_avif_in_a_folder_is_left_out_and_named_where_pillow_does_not_read_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtcnn_fast.listing._reads_avif", lambda: False)
    (photos / "x.avif").write_bytes(b"\0\0\0\x18ftypavif")
    result = detect("--jsonl", "photos")
    assert len(result.stdout.splitlines()) == 5
    assert result.stderr == "mtcnn-fast: left out photos/x.avif: AVIF, which needs Pillow 11.3 or later\n"


def test_a_link_to_nothing_in_a_folder_fails_alone(photos: Path) -> None:
    (photos / "z.png").symlink_to("nowhere.png")
    records = detect_json("photos", ending=1)
    assert [record["error"] is None for record in records] == [True] * 5 + [False]


def test_a_word_in_the_first_column_keeps_its_distance(photos: Path) -> None:
    lines = detect("photos/b.png", "nowhere.jpg", ending=1).stdout.splitlines()
    assert lines[2].split() == ["nowhere.jpg", "failed"]
