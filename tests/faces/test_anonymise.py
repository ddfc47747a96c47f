"""Faces made unrecognisable: what is covered, what is left, and what cannot be undone."""

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import ConfigError, Detector, Faces
from support.data import PHOTO

SIZE = (120, 90)
POINTS = [[0, 0]] * 5


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    return Faces(np.reshape(boxes, (-1, 4)), np.ones(len(boxes)), np.zeros((len(boxes), 5, 2)), SIZE)


METHODS = {
    "blur": lambda found, image: found.blur(image),
    "pixelate": lambda found, image: found.pixelate(image),
    "mask": lambda found, image: found.mask(image),
}


@pytest.mark.parametrize("name", METHODS)
def test_an_ellipse_around_the_face_is_covered_and_no_more(name: str, image: np.ndarray) -> None:
    before = image.copy()
    covered = np.asarray(METHODS[name](faces((30, 20, 70, 60)), image))
    assert covered.dtype == np.uint8
    changed = (covered != image).any(axis=2)
    rows, columns = np.indices(changed.shape)
    distance = ((columns + 0.5 - 50) / 24) ** 2 + ((rows + 0.5 - 40) / 24) ** 2
    assert not changed[distance > 1].any()
    assert changed[distance <= 1].mean() > 0.95
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "box", [(-40, -40, -20, -20), (100, 70, 400, 300), (-1e7, -1e7, 1e7, 1e7), (5, 5, 5, 5), (60, 50, 40, 30)]
)
def test_any_box_is_covered(name: str, box: tuple[float, float, float, float], image: np.ndarray) -> None:
    assert np.asarray(METHODS[name](faces(box), image)).shape == image.shape


def test_no_faces_leave_the_image_as_it_is(image: np.ndarray) -> None:
    for method in METHODS.values():
        np.testing.assert_array_equal(np.asarray(method(faces(), image)), image)


def test_pixelated_squares_have_one_color(image: np.ndarray) -> None:
    covered = np.asarray(faces((0, 0, 120, 90)).pixelate(image, cells=3))
    middle = covered[30:60, 45:75].reshape(-1, 3)
    assert len(np.unique(middle, axis=0)) <= 4


def test_fewer_cells_and_a_stronger_blur_leave_less(image: np.ndarray) -> None:
    everything = faces((0, 0, 120, 90))

    def variation(picture: Image.Image) -> float:
        return float(np.asarray(picture)[20:70, 30:90].std())

    assert variation(everything.pixelate(image, 3)) < variation(everything.pixelate(image, 30))
    assert variation(everything.blur(image, 0.5)) < variation(everything.blur(image, 0.05)) < image.std()


def test_mask_has_the_color_that_was_asked_for(image: np.ndarray) -> None:
    assert np.asarray(faces((30, 20, 70, 60)).mask(image, (9, 8, 7)))[40, 50].tolist() == [9, 8, 7]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda found, image: found.blur(image, 0.01), r"strength must be a number from 0\.05 to 1, got 0\.01"),
        (lambda found, image: found.blur(image, 2), r"strength must be a number from 0\.05 to 1, got 2"),
        (lambda found, image: found.blur(image, "much"), "strength must be"),
        (lambda found, image: found.pixelate(image, 0), "cells must be"),
        (
            lambda found, image: found.mask(image, (0, 0, 256)),
            r"fill\[2\] must be a whole number from 0 to 255",
        ),
        (
            lambda found, image: found.mask(image, "black"),
            "fill must be 3 whole numbers from 0 to 255, got 'black'",
        ),
        (lambda found, image: found.mask(image[:50]), "img must be the image of the detection, 120x90"),
        (lambda found, image: found.mask(), "img must be given, as the image was not kept"),
    ],
)
def test_arguments_that_are_not_accepted(call, message: str, image: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=message):
        call(faces((30, 20, 70, 60)), image)


def test_the_detector_finds_no_covered_face() -> None:
    detector = Detector("numpy", min_face_size=60)
    found = detector.detect(PHOTO)
    assert len(found) == 1
    for picture in (found.blur(PHOTO), found.pixelate(PHOTO), found.mask(PHOTO)):
        assert not any(face.score > 0.95 for face in detector.detect(picture))
