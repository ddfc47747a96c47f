"""Files to try the command on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from mtcnn_fast import Detector, Faces
from support.portrait import QUICK, portrait


@pytest.fixture(scope="session")
def faces() -> Faces:
    return Detector("numpy", **QUICK).detect(portrait())


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with one face, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(portrait()).save("photo.png")
    return "photo.png"


@pytest.fixture
def album(photo: str) -> str:
    """A folder: two images of which one has no face, a file that is no image, a damaged one, and folders within."""
    folder = Path("album")
    for inner in ("sub/deep", ".hidden", "empty"):
        (folder / inner).mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(folder / "blank.png")
    (folder / "notes.txt").write_text("no image")
    (folder / ".thumbnail.png").write_bytes(b"")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    for name in ("face.PNG", "sub/face.png", "sub/deep/face.png", ".hidden/face.png"):
        shutil.copy(photo, folder / name)
    return "album"
