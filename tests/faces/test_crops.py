"""Square crops, by themselves and through `Faces.crops`."""

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ConfigError, ImageError
from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.crops import square_crops

RANDOM = np.random.default_rng(3)
PICTURE = RANDOM.integers(0, 256, (60, 80, 3), dtype=np.uint8)


def padded_crop(image: np.ndarray, box: tuple[float, float, float, float], size: int, margin: float) -> np.ndarray:
    """The same by the shortest way: pad the whole image far enough with black, and let Pillow resize a region of it."""
    pad = 400
    canvas = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    x1, y1, x2, y2 = box
    half = max(x2 - x1, y2 - y1) * size / (size - margin) / 2
    x, y = (x1 + x2) / 2 + pad, (y1 + y2) / 2 + pad
    left, top, right, bottom = int(x - half), int(y - half), int(np.ceil(x + half)), int(np.ceil(y + half))
    region = Image.fromarray(canvas[top:bottom, left:right])
    inner = (x - half - left, y - half - top, x + half - left, y + half - top)
    return np.asarray(region.resize((size, size), Image.Resampling.BILINEAR, box=inner))


def test_a_crop_of_whole_pixels_is_the_image() -> None:
    (crop,) = square_crops(PICTURE, [[10, 20, 40, 50]], 30, 0)
    np.testing.assert_array_equal(crop, PICTURE[20:50, 10:40])


def test_margin_counts_pixels_of_the_crop_on_both_sides_together() -> None:
    # The box takes 30 of 40 pixels; 5 on each side are margin, at the box's own scale.
    (crop,) = square_crops(PICTURE, [[20, 15, 50, 45]], 40, 10)
    np.testing.assert_array_equal(crop, PICTURE[10:50, 15:55])


def test_the_longer_side_makes_the_square() -> None:
    (crop,) = square_crops(PICTURE, [[20, 15, 30, 45]], 30, 0)
    np.testing.assert_array_equal(crop, PICTURE[15:45, 10:40])


def test_outside_the_image_is_black() -> None:
    (crop,) = square_crops(PICTURE, [[-10, 40, 30, 80]], 40, 0)
    np.testing.assert_array_equal(crop[:20, 10:], PICTURE[40:60, :30])
    assert not crop[:, :10].any()
    assert not crop[20:].any()


@pytest.mark.parametrize(
    "box",
    [[-90, 0, -50, 40], [80, 0, 120, 40], [0, -40, 40, 0], [0, 60, 40, 100], [1e30, 0, 1e30, 40]],
)
def test_a_box_off_the_image_is_black(box: list[float]) -> None:
    assert not square_crops(PICTURE, [box], 16, 0).any()


@pytest.mark.parametrize(("size", "margin"), [(20, 0), (20, 7.5), (160, 40), (1, 0)])
@pytest.mark.parametrize(
    "box",
    [
        (10.25, 12.5, 41.75, 49.0),
        (-20.3, -5.1, 30.2, 66.6),
        (-50.0, -50.0, 130.0, 110.0),
        (70.1, 50.2, 99.9, 81.0),
        (33.3, 22.2, 33.6, 22.4),
    ],
)
def test_crops_are_a_resized_region_of_the_padded_image(box, size: int, margin: float) -> None:
    (crop,) = square_crops(PICTURE, [box], size, margin)
    np.testing.assert_array_equal(crop, padded_crop(PICTURE, box, size, margin))


def test_a_box_without_a_measurable_side_shows_its_pixel() -> None:
    # Adding so small a side to 40 gives 40 again.
    (crop,) = square_crops(PICTURE, [[40, 0, 40, 1e-20]], 4, 0)
    np.testing.assert_array_equal(crop, np.broadcast_to(PICTURE[0, 40], (4, 4, 3)))


def test_a_line_is_squared_by_its_length() -> None:
    (crop,) = square_crops(PICTURE, [[20, 10, 20, 40]], 30, 0)
    np.testing.assert_array_equal(crop, PICTURE[10:40, 5:35])


@pytest.mark.parametrize(
    ("boxes", "size", "margin", "message"),
    [
        ([[1, 1, 1, 1]], 10, 0, r"boxes\[0\] must have a width or a height, got \[1.0, 1.0, 1.0, 1.0\]"),
        ([[0, 0, 9, 9], [9, 9, 0, 0]], 10, 0, r"boxes\[1\] must have a width or a height"),
        ([[0, 0, 20000, 1]], 10, 0, r"boxes\[0\] must need .* at most 200000000 pixels .* got 20000 x 20000"),
        ([[0, 0, 9, 9]], 10, 9.9999999, r"boxes\[0\] must need"),
        ([[0, 0, 9, 9]], 0, 0, "size must be a whole number"),
        ([[0, 0, 9, 9]], 10.5, 0, "size must be a whole number"),
        ([[0, 0, 9, 9]], 10, 10, "margin must be below size, which is 10, got 10"),
        ([[0, 0, 9, 9]], 10, -1, "margin must be a finite number of at least 0, got -1"),
        ([[0, 0, 9, 9]], 10, None, "margin must be a finite number"),
        ([[0, 0, 9]], 10, 0, r"boxes must be finite numbers of shape \(N, 4\)"),
    ],
)
def test_what_is_not_accepted_is_named(boxes, size, margin, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        square_crops(PICTURE, boxes, size, margin)


def test_faces_crops_every_face_in_order() -> None:
    boxes = [[10, 20, 40, 50], [0.5, 0.5, 20, 33]]
    faces = Faces(boxes, [0.5, 0.9], np.zeros((2, 5, 2)), (80, 60))
    crops = faces.crops(PICTURE, size=24, margin=4)
    assert crops.shape == (2, 24, 24, 3)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, square_crops(PICTURE, boxes, 24, 4))
    assert faces.crops(PICTURE).shape == (2, 160, 160, 3)
    assert Faces.empty((80, 60)).crops(PICTURE, 24).shape == (0, 24, 24, 3)


def test_faces_read_the_image_as_detect_does(tmp_path) -> None:
    faces = Faces([[10, 20, 40, 50]], [0.5], np.zeros((1, 5, 2)), (80, 60))
    expected = faces.crops(PICTURE, 30)
    path = tmp_path / "picture.png"
    Image.fromarray(PICTURE).save(path)
    for image, options in (
        (path, {}),
        (str(path), {}),
        (Image.fromarray(PICTURE), {}),
        (PICTURE[..., ::-1], {"color": "bgr"}),
        (PICTURE.transpose(2, 0, 1), {"layout": "chw"}),
        (PICTURE / 255, {"value_range": (0, 1)}),
    ):
        np.testing.assert_array_equal(faces.crops(image, 30, **options), expected)
        np.testing.assert_array_equal(np.asarray(faces.draw(image, **options)), np.asarray(faces.draw(PICTURE)))
    points = Faces([[0, 0, 1, 1]], [0.5], [[[20, 20], [50, 20], [35, 30], [25, 45], [45, 45]]], (80, 60))
    np.testing.assert_array_equal(
        points.align(PICTURE[..., ::-1], 50, color="bgr"), points.align(Image.fromarray(PICTURE), 50)
    )


@pytest.mark.parametrize("method", ["crops", "align", "draw"])
def test_an_image_of_another_size_is_refused(method: str) -> None:
    faces = Faces.empty((60, 80))
    with pytest.raises(ConfigError, match=r"image of the detection, 60x80 pixels .*, got 80x60"):
        getattr(faces, method)(PICTURE)


@pytest.mark.parametrize("method", ["crops", "align", "draw"])
def test_what_is_no_image_is_refused(method: str) -> None:
    with pytest.raises(ImageError):
        getattr(Faces.empty((60, 80)), method)(PICTURE / 255)
