"""``mtcnn-fast detect --blur``, ``--pixelate`` and ``--mask``, their formats, and options that go together or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, Faces
from mtcnn_fast.cli.detect import STYLES
from mtcnn_fast.faces import styles
from mtcnn_fast.images import load_image
from support.cli import detect, usage_error
from support.portrait import QUICK, portrait


@pytest.mark.parametrize(
    ("options", "name", "make"),
    [
        (["--blur"], "photo_blurred.png", lambda faces, photo: faces.blur(photo)),
        (["--blur", "--strength", 0.5], "photo_blurred.png", lambda faces, photo: faces.blur(photo, 0.5)),
        (["--pixelate"], "photo_pixelated.png", lambda faces, photo: faces.pixelate(photo)),
        (["--pixelate", "--strength", 0.25], "photo_pixelated.png", lambda faces, photo: faces.pixelate(photo, 4)),
        (["--mask"], "photo_masked.png", lambda faces, photo: faces.mask(photo)),
        (
            ["--draw", "--style", "spotlight"],
            "photo_faces.png",
            lambda faces, photo: faces.draw(photo, style="spotlight"),
        ),
    ],
)
def test_the_picture_is_that_of_the_method(options, name: str, make, photo: str, faces: Faces) -> None:
    detect(photo, *options, "-o", "out")
    assert [path.name for path in Path("out").iterdir()] == [name]
    assert np.array_equal(load_image(f"out/{name}"), np.asarray(make(faces, photo)))


def test_all_kinds_together(photo: str) -> None:
    detect(photo, "--draw", "--blur", "--pixelate", "--mask", "--crops", "--align", "-o", "out")
    names = sorted(path.stem.partition("_")[2] for path in Path("out").iterdir())
    assert names == ["aligned1", "blurred", "face1", "faces", "masked", "pixelated"]


def test_pictures_that_hide_faces_are_no_input_of_a_later_run(photo: str) -> None:
    detect(photo, "--blur", "--pixelate", "--mask", "-o", ".")
    result = detect(".", "--jsonl")
    assert len(result.stdout.splitlines()) == 1
    assert "and 2 more: written by an earlier run" in result.stderr


def test_boxes_cut_to_the_image_hide_no_less(photo: str) -> None:
    # The face is cut by the left border.
    cut = portrait()[:, 48:]
    found = Detector("numpy", **QUICK).detect(cut)
    assert len(found) == 1
    assert found.boxes[0, 0] < 0
    Image.fromarray(cut).save("cut.png")
    detect("cut.png", "--mask", "--clip", "-o", "out")
    masked = load_image("out/cut_masked.png")
    np.testing.assert_array_equal(masked, np.asarray(found.mask(cut)))
    assert (masked != np.asarray(found.clip().mask(cut))).any()


def test_nothing_of_the_original_s_metadata_is_kept(photo: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    Image.open(photo).save("tagged.jpg", exif=exif)
    detect("tagged.jpg", "--blur", "-o", "out")
    assert b"taken at home" in Path("tagged.jpg").read_bytes()
    assert b"taken at home" not in Path("out/tagged_blurred.jpg").read_bytes()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("png", {"a.jpg.faces.png": "PNG", "b_faces.png": "PNG", "c.webp.faces.png": "PNG", "stdin_faces.png": "PNG"}),
        (
            "jpg",
            {"a_faces.jpg": "JPEG", "b.png.faces.jpg": "JPEG", "c.webp.faces.jpg": "JPEG", "stdin_faces.jpg": "JPEG"},
        ),
        (
            "webp",
            {
                "a.jpg.faces.webp": "WEBP",
                "b.png.faces.webp": "WEBP",
                "c_faces.webp": "WEBP",
                "stdin_faces.webp": "WEBP",
            },
        ),
    ],
)
def test_format(form: str, expected: dict[str, str], photo: str) -> None:
    data = Path(photo).read_bytes()
    picture = Image.open(photo)
    for name in ("a.jpg", "b.png", "c.webp"):
        picture.save(name)
    detect("a.jpg", "b.png", "c.webp", "-", "--draw", "--format", form, "-o", "out", stdin=data)
    found = {}
    for path in Path("out").iterdir():
        with Image.open(path) as written:
            found[path.name] = written.format
    assert found == expected


def test_a_jpeg_keeps_its_ending_with_format_jpg(photo: str) -> None:
    Image.open(photo).save("a.JPEG")
    detect("a.JPEG", "--blur", "--format", "jpg", "-o", "out")
    assert [path.name for path in Path("out").iterdir()] == ["a_blurred.JPEG"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--strength", "0.3"],
            "Invalid value for '--strength': says how far faces are hidden: add --blur or --pixelate",
        ),
        (["--mask", "-o", "out", "--strength", "0.3"], "'--strength': says how far faces are hidden"),
        (["--blur", "-o", "out", "--strength", "0.01"], "strength must be a number from 0.05 to 1, got 0.01"),
        (
            ["--blur", "-o", "out", "--style", "corners"],
            "Invalid value for '--style': says how faces are drawn: add --draw",
        ),
        (["--draw", "-o", "out", "--style", "fancy"], "style must be one of default, corners"),
        (["--format", "jpg"], "Invalid value for '--format': says how pictures are written: add --draw, --blur"),
        (["--draw", "-o", "out", "--format", "gif"], "format must be one of same, png, jpg, webp, got 'gif'"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, photo: str) -> None:
    assert message in usage_error(photo, *options)
    assert not Path("out").exists()


def test_an_input_is_never_replaced(photo: str) -> None:
    Image.open(photo).save("photo_blurred.jpg")
    Image.open(photo).save("photo.jpg")
    message = usage_error("photo.jpg", "photo_blurred.jpg", "--blur", "-o", ".")
    assert "the picture of 'photo.jpg' would replace the input 'photo_blurred.jpg'" in message


def test_the_styles_of_the_command_are_those_of_the_package() -> None:
    assert tuple(styles.STYLES) == STYLES
