"""The pictures that ``mtcnn-fast detect`` writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Faces
from mtcnn_fast.images import load_image
from support.cli import detect, detect_json, usage_error
from support.portrait import portrait


def test_drawn(photo: str, faces: Faces) -> None:
    detect(photo, "--draw", "--out", "out/new")
    assert [path.name for path in Path("out/new").iterdir()] == ["photo_faces.png"]
    assert np.array_equal(load_image("out/new/photo_faces.png"), np.asarray(faces.draw(photo)))


def test_crops_and_aligned(photo: str, faces: Faces) -> None:
    detect(photo, "--crops", "--align", "--out", "out")
    assert sorted(path.name for path in Path("out").iterdir()) == ["photo_aligned1.png", "photo_face1.png"]
    assert np.array_equal(load_image("out/photo_face1.png"), faces.crops(photo)[0])
    assert np.array_equal(load_image("out/photo_aligned1.png"), faces.align(photo)[0])


def test_image_without_a_face_is_drawn_as_it_is(album: str) -> None:
    detect("album/blank.png", "--draw", "--crops", "--align", "--out", "out")
    assert [path.name for path in Path("out").iterdir()] == ["blank_faces.png"]
    assert not load_image("out/blank_faces.png").any()


def test_folders_are_mirrored(album: str) -> None:
    detect(album, "-r", "--draw", "--out", "out", ending=1)
    assert sorted(map(str, Path("out").rglob("*.*"))) == [
        "out/blank_faces.png",
        "out/face_faces.PNG",
        "out/sub/deep/face_faces.png",
        "out/sub/face_faces.png",
    ]


def test_namesakes_stay_apart(photo: str) -> None:
    for folder in ("one/x", "two/x"):
        Path(folder).mkdir(parents=True)
        shutil.copy(photo, f"{folder}/same.png")
    Image.fromarray(portrait()).convert("L").save("two/x/same.tif")
    detect("one/x/same.png", "../" + Path.cwd().name + "/two/*/same.*", "--draw", "--out", "out")
    assert sorted(map(str, Path("out").rglob("*.*"))) == [
        "out/one/x/same_faces.png",
        "out/two/x/same_faces.png",
        "out/two/x/same_faces.tif",
    ]


def test_form_of_the_file_is_kept_if_it_can_be(photo: str) -> None:
    picture = Image.open(photo)
    for name in ("a.jpg", "a.bmp", "a.webp", "a.gif", "a.ppm"):
        picture.save(name)
    shutil.copy(photo, "bare")
    detect(
        "a.jpg",
        "a.bmp",
        "a.webp",
        "a.gif",
        "a.ppm",
        "bare",
        "-",
        "--draw",
        "--out",
        "out",
        stdin=Path(photo).read_bytes(),
    )
    forms = {}
    for path in Path("out").iterdir():
        with Image.open(path) as picture:
            forms[path.name] = picture.format
    assert forms == {
        "a_faces.jpg": "JPEG",
        "a_faces.bmp": "BMP",
        "a_faces.webp": "WEBP",
        "a.gif.faces.png": "PNG",
        "a.ppm.faces.png": "PNG",
        "bare.faces.png": "PNG",
        "stdin_faces.png": "PNG",
    }


def test_originals_are_left_alone(photo: str) -> None:
    before = Path(photo).read_bytes()
    detect(photo, "--draw", "--out", ".")
    assert Path(photo).read_bytes() == before
    assert Path("photo_faces.png").exists()


def test_picture_that_cannot_be_written(photo: str) -> None:
    Path("out/photo_faces.png").mkdir(parents=True)
    (record,) = detect_json(photo, "--draw", "--out", "out", ending=1)
    assert len(record["faces"]) == 1
    assert record["error"] == "the picture 'out/photo_faces.png' could not be written: Is a directory"


@pytest.mark.parametrize("option", ["--draw", "--blur", "--pixelate", "--mask", "--crops", "--align"])
def test_pictures_need_a_folder(option: str, photo: str) -> None:
    assert (
        "Invalid value for '--out': --draw, --blur, --pixelate, --mask, --crops and --align need a folder"
        in usage_error(photo, option)
    )


def test_folder_needs_pictures(photo: str) -> None:
    assert "say what to write there: --draw, --blur, --pixelate, --mask, --crops or --align" in usage_error(
        photo, "--out", "out"
    )
    assert not Path("out").exists()


def test_folder_that_is_a_file(photo: str) -> None:
    assert "'photo.png' is not a folder" in usage_error(photo, "--draw", "--out", photo)
