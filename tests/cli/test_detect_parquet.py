"""``mtcnn-fast detect --parquet``."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from mtcnn_fast import Faces, load_faces
from mtcnn_fast.faces import parquet as parquet_files
from support.cli import detect, detect_json, run, usage_error


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def test_the_file_holds_the_faces(arrow, photo: str, faces: Faces) -> None:
    detect(photo, "--parquet", "faces.parquet")
    assert load_faces("faces.parquet") == {photo: faces}
    assert arrow.read_schema("faces.parquet").names == [
        "image", "width", "height", "boxes", "scores", "landmarks", "error",
    ]  # fmt: skip


def test_every_input_has_a_row_in_its_order(arrow, album: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "GROUP", 2)
    records = detect_json(album, "-r", "missing.png", "--parquet", "faces.parquet", ending=1)
    rows = arrow.read_table("faces.parquet").to_pylist()
    assert [row["image"] for row in rows] == [record["path"] for record in records]
    assert [row["error"] for row in rows] == [record["error"] for record in records]
    assert [row["width"] for row in rows] == [record["width"] for record in records]
    assert [len(row["scores"]) for row in rows] == [len(record["faces"]) for record in records]
    assert any(row["error"] for row in rows)
    # Images that could not be read are no images without faces.
    read = {record["path"] for record in records if record["error"] is None}
    assert set(load_faces("faces.parquet")) == read


def test_printed_json_can_be_loaded_too(album: str) -> None:
    text = detect("--json", album, ending=1).stdout
    Path("faces.json").write_text(text)
    read = [record["path"] for record in json.loads(text) if record["error"] is None]
    assert list(load_faces("faces.json")) == read


def test_pictures_and_boxes_cut_to_the_image_go_with_it(arrow, photo: str, faces: Faces) -> None:
    detect(photo, "--clip", "--draw", "-o", "out", "--parquet", "faces.parquet")
    assert load_faces("faces.parquet") == {photo: faces.clip()}
    assert Path("out/photo_faces.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="names of files are text on this system")
def test_a_name_that_is_no_text(arrow, photo: str) -> None:
    os.rename(photo, b"\xff.png")  # noqa: PTH104
    detect(".", "--parquet", "faces.parquet")
    (row,) = arrow.read_table("faces.parquet").to_pylist()
    assert row["image"] == "./\\udcff.png"


def test_without_pyarrow(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run("detect", photo, "--parquet", "faces.parquet", ending=1)
    assert result.stdout == ""
    assert "--parquet needs pyarrow" in result.stderr
    assert "pip install pyarrow" in result.stderr
    assert not Path("faces.parquet").exists()


def test_files_that_cannot_be(photo: str) -> None:
    Path("folder").mkdir()
    assert "'folder' is a folder, not a file" in usage_error(photo, "--parquet", "folder")
    assert "there is no folder 'nowhere'" in usage_error(photo, "--parquet", "nowhere/faces.parquet")


def test_an_input_is_not_replaced(arrow, photo: str) -> None:
    before = Path(photo).read_bytes()
    assert "'photo.png' is an input: name another file" in usage_error(photo, "--parquet", photo)
    assert Path(photo).read_bytes() == before


def test_a_full_disk_is_named_and_leaves_the_earlier_file(arrow, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("faces.parquet").write_bytes(b"earlier")

    def full(*arguments: object, **settings: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(arrow.ParquetWriter, "write_table", full)
    result = detect(photo, "--parquet", "faces.parquet", ending=1)
    assert "mtcnn-fast: 'faces.parquet': No space left on device" in result.stderr
    assert Path("faces.parquet").read_bytes() == b"earlier"
    assert sorted(path.name for path in Path().iterdir()) == ["faces.parquet", "photo.png"]
