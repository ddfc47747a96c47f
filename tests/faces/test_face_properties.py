"""What a face tells of itself: corners, sizes, named points, angles."""

import operator

import numpy as np
import pytest

from mtcnn_fast import ConfigError, Faces
from mtcnn_fast.faces import geometry

POINTS = [[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]]


def face(points: object = POINTS) -> Faces:
    return Faces([[10, 20, 110, 140]], [0.9], [points], (200, 300))


def turned(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (np.array(POINTS) - 60) @ rotation.T + 60


def test_corners_and_sizes() -> None:
    one = face()[0]
    assert (one.x1, one.y1, one.x2, one.y2) == (10, 20, 110, 140)
    assert (one.width, one.height, one.area, one.center) == (100, 120, 12000, (60, 80))


def test_points_have_names() -> None:
    one = face()[0]
    named = [getattr(one, name) for name in geometry.POINTS]
    assert named == [tuple(point) for point in POINTS]


@pytest.mark.parametrize("degrees", [-170, -45, 0, 30, 90, 135])
def test_roll_is_the_angle_of_the_eyes(degrees: float) -> None:
    assert face(turned(degrees))[0].roll == pytest.approx(degrees, abs=1e-4)


def test_frontalness_falls_as_the_nose_leaves_the_middle() -> None:
    values = []
    for offset in (0, 5, 10, 20, 60):
        points = np.array(POINTS, float)
        points[2, 0] += offset
        values.append(face(points)[0].frontalness)
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0


@pytest.mark.parametrize("degrees", [0, 20, 90, 200])
def test_frontalness_does_not_depend_on_roll(degrees: float) -> None:
    points = np.array(POINTS, float)
    points[2, 0] += 7
    upright = face(points)[0].frontalness
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert face((points - 60) @ rotation.T + 60)[0].frontalness == pytest.approx(upright, abs=1e-5)


def test_equal_points_make_no_front() -> None:
    assert face([[5, 5]] * 5)[0].frontalness == 0


def test_boxes_as_widths() -> None:
    np.testing.assert_array_equal(face().xywh, [[10, 20, 100, 120]])
    assert Faces.empty((3, 4)).xywh.shape == (0, 4)


def test_faces_of_one_image_are_joined() -> None:
    both = face() + Faces([[0, 0, 5, 5]], [0.5], [POINTS], (200, 300))
    assert len(both) == 2
    assert both[1].score == pytest.approx(0.5)
    assert Faces.concat([face(), both, Faces.empty((200, 300))]) == Faces.concat([face(), face(), both[1:]])


@pytest.mark.parametrize("parts", [[], [Faces.empty((1, 2)), Faces.empty((2, 1))]])
def test_faces_of_different_images_are_not_joined(parts: list[Faces]) -> None:
    with pytest.raises(ConfigError, match=r"parts must be Faces of one image size, got (none|1x2, 2x1)"):
        Faces.concat(parts)


def test_only_faces_are_added() -> None:
    with pytest.raises(TypeError):
        operator.add(face(), 1)


class TestQuality:
    def test_a_blurred_face_is_less_sharp(self) -> None:
        rng = np.random.default_rng(3)
        image = rng.integers(0, 256, (300, 200, 3), dtype=np.uint8)
        from PIL import Image, ImageFilter

        soft = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2)))
        sharp, dull = (face().quality(picture)["sharpness"][0] for picture in (image, soft))
        assert sharp > 10 * dull > 0

    def test_size_is_the_root_of_the_area(self) -> None:
        quality = face().quality(np.zeros((300, 200, 3), np.uint8))
        assert quality["size"].tolist() == [pytest.approx(12000**0.5)]
        assert quality["frontalness"].tolist() == [pytest.approx(1)]
        assert quality["sharpness"].tolist() == [0]

    def test_a_face_outside_the_image_has_no_sharpness(self) -> None:
        faces = Faces([[-50, -50, -10, -10], [199, 0, 260, 50]], [0.9, 0.8], [POINTS] * 2, (200, 300))
        assert faces.quality(np.full((300, 200, 3), 7, np.uint8))["sharpness"].tolist() == [0, 0]
