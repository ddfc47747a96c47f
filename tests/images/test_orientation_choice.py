"""PIL images that their user has turned, and the argument `exif`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtcnn_fast.images import load_image
from support.pictures import encode, exif, noise, refused

TAG = 0x0112
STORED = noise(5, 7, 3)
UPRIGHT = np.rot90(STORED, -1)


def opened(kind="PNG", **options):
    return Image.open(io.BytesIO(encode(STORED, kind, exif=exif(6), **options)))


KINDS = [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_an_opened_image_is_turned_as_its_file_is(kind, options):
    for _ in range(2):
        np.testing.assert_array_equal(load_image(opened(kind, **options)), UPRIGHT)
    image = opened(kind, **options)
    image.load()
    np.testing.assert_array_equal(load_image(image), UPRIGHT)


@pytest.mark.parametrize(("kind", "options"), KINDS[:2])
@pytest.mark.parametrize(
    "turn",
    [
        lambda image: image.rotate(270, expand=True),
        lambda image: image.transpose(Image.Transpose.ROTATE_270),
        lambda image: image.rotate(270, expand=True).convert("RGBA").convert("RGB"),
        ImageOps.exif_transpose,
    ],
    ids=["rotate", "transpose", "rotate and convert", "exif_transpose"],
)
def test_an_image_that_its_user_turned_stays(kind, options, turn):
    image = turn(opened(kind, **options))
    np.testing.assert_array_equal(load_image(image), UPRIGHT)
    image.getexif()  # Looking at the metadata changes nothing.
    np.testing.assert_array_equal(load_image(image), UPRIGHT)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.copy(),
        lambda image: image.convert("RGB"),
        lambda image: image.resize((7, 5)),
        lambda image: image.crop((0, 0, 7, 5)),
        lambda image: image.rotate(180),
    ],
    ids=["copy", "convert", "resize", "crop", "rotate by 180"],
)
def test_images_made_from_another_are_taken_as_they_are(change):
    image = change(opened())
    np.testing.assert_array_equal(load_image(image), np.asarray(image))
    assert load_image(image, exif=True).shape == UPRIGHT.shape
    np.testing.assert_array_equal(load_image(image, exif=True), np.rot90(np.asarray(image), -1))


def test_a_tag_that_was_set_counts():
    image = Image.fromarray(STORED)
    image.getexif()[TAG] = 6
    np.testing.assert_array_equal(load_image(image), UPRIGHT)
    changed = opened().copy()
    changed.getexif()[TAG] = 3
    np.testing.assert_array_equal(load_image(changed), STORED[::-1, ::-1])


@pytest.mark.parametrize("make", [opened, lambda: opened().copy(), lambda: Image.fromarray(STORED)])
def test_never(make):
    np.testing.assert_array_equal(load_image(make(), exif=False), STORED)


@pytest.mark.parametrize("choice", [None, True, False, np.True_])
def test_files_are_always_upright_and_arrays_never_turned(choice):
    np.testing.assert_array_equal(load_image(encode(STORED, "PNG", exif=exif(6)), exif=choice), UPRIGHT)
    np.testing.assert_array_equal(load_image(STORED, exif=choice), STORED)


@pytest.mark.parametrize("choice", ["yes", 1, 0, "auto"])
def test_other_values(choice):
    refused(STORED, f"exif is {choice!r}; accepted: True, False or None", exif=choice)
