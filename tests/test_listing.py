"""`list_images`: the files that a folder or a pattern stands for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, ImageError, list_images
from mtcnn_fast.images import split_batch
from support.portrait import portrait


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found: list[str], folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in found]


def test_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.jpg", "sub/c.webp", ".sub/d.jpg", "e.heic")
    assert names(list_images(tmp_path), tmp_path) == ["a.png", "b.JPG", "e.heic"]
    assert names(list_images(str(tmp_path), recursive=True), tmp_path) == ["a.png", "b.JPG", "e.heic", "sub/c.webp"]


def test_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "x/c.jpg", "x/y/d.jpg", "e.jpg/f.txt", "[odd].jpg")
    assert names(list_images(tmp_path / "?.jpg"), tmp_path) == ["a.jpg", "b.jpg"]
    assert names(list_images(f"{tmp_path}/**/[cd].jpg"), tmp_path) == ["x/c.jpg", "x/y/d.jpg"]
    # A file of this name is that file.
    assert list_images(tmp_path / "[odd].jpg") == [str(tmp_path / "[odd].jpg")]
    assert list_images(tmp_path / "a.jpg") == [str(tmp_path / "a.jpg")]


def test_nothing_there(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "sub/a.jpg")
    with pytest.raises(ImageError, match=r"there is no image in the folder itself; recursive=True searches those"):
        list_images(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file matches the pattern"):
        list_images(tmp_path / "*.png")
    with pytest.raises(FileNotFoundError, match=r"does not exist; accepted: a folder of images, or a pattern$"):
        list_images(tmp_path / "nowhere")


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "c.jpg"))
        assert names(list_images(tmp_path), tmp_path) == ["a.jpg"]
        assert names(list_images(tmp_path / "*.jpg"), tmp_path) == ["a.jpg"]


def test_batches_of_folders_and_patterns(tmp_path: Path) -> None:
    paths = [tmp_path / f"{shift}.png" for shift in range(3)]
    for shift, path in enumerate(paths):
        Image.fromarray(np.roll(portrait(), shift, axis=1)).save(path)
    with Detector("numpy", min_face_size=40, factor=0.6) as detector:
        expected = [detector.detect(path) for path in paths]
        assert [len(faces) for faces in expected] == [1, 1, 1]
        for given in (tmp_path, str(tmp_path), tmp_path / "*.png", f"{tmp_path}/**/*.png"):
            assert detector.detect_batch(given) == expected
            assert detector.detect_batch(given, progress=True) == expected
            assert list(detector.detect_iter(given)) == expected
            assert split_batch(given) == [str(path) for path in paths]
        (tmp_path / "-bad.png").write_bytes(b"no image")
        found = detector.detect_batch(tmp_path, on_error="return")
        assert isinstance(found[0], ImageError)
        assert found[1:] == expected
        with pytest.raises(ImageError, match=r"^images\[0\]: "):
            detector.detect_batch(tmp_path)
        with pytest.raises(FileNotFoundError, match="no file matches"):
            detector.detect_batch(tmp_path / "*.gif")
