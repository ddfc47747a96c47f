"""What `Faces` computes from its own numbers: order, clipping, scaling, dicts and JSON."""

import json

import numpy as np
import pytest

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Faces

SIZE = (640, 480)


def faces_of(boxes: list[list[float]], scores: list[float] | None = None) -> Faces:
    """Faces whose first landmark tells which they are."""
    landmarks = np.zeros((len(boxes), 5, 2))
    landmarks[:, 0, 0] = np.arange(len(boxes))
    return Faces(boxes, [0.5] * len(boxes) if scores is None else scores, landmarks, SIZE)


def order(faces: Faces) -> list[int]:
    return faces.landmarks[:, 0, 0].astype(int).tolist()


def test_sort_by_score() -> None:
    faces = faces_of([[0, 0, 1, 1]] * 5, [0.5, 0.9, 0.7, 0.9, 0.1])
    assert order(faces.sort_by("score")) == [1, 3, 2, 0, 4]
    assert order(faces) == [0, 1, 2, 3, 4]


def test_equal_faces_keep_their_order() -> None:
    # Enough of them that a sort which is not stable mixes them up.
    scores = [0.5, 0.9, 0.7] * 100
    expected = [*range(1, 300, 3), *range(2, 300, 3), *range(0, 300, 3)]
    assert order(faces_of([[0, 0, 1, 1]] * 300, scores).sort_by("score")) == expected


def test_sort_by_size_takes_the_area() -> None:
    # The third is longest but thin; the fourth is inside out: both sides negative, and no area.
    faces = faces_of([[0, 0, 10, 10], [5, 5, 35, 35], [0, 0, 200, 1], [90, 90, 0, 0], [0, 0, 10, 10]])
    assert order(faces.sort_by("size")) == [1, 2, 0, 4, 3]


def test_sort_by_center_takes_the_distance_to_the_middle_of_the_image() -> None:
    faces = faces_of([[0, 0, 20, 20], [310, 230, 330, 250], [620, 230, 640, 250], [310, 0, 330, 20]])
    assert order(faces.sort_by("center")) == [1, 3, 2, 0]


@pytest.mark.parametrize("key", ["area", "", None, 1])
def test_sort_by_refuses_other_keys(key: object) -> None:
    with pytest.raises(ConfigError, match="key must be 'score', 'size' or 'center', got"):
        faces_of([]).sort_by(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["score", "size", "center"])
def test_sorting_no_faces_gives_no_faces(key) -> None:
    assert faces_of([]).sort_by(key) == Faces.empty(SIZE)


def test_largest() -> None:
    faces = faces_of([[0, 0, 10, 10], [5, 5, 35, 35], [10, 10, 40, 40]])
    assert faces.largest() == faces[1]
    assert Faces.empty(SIZE).largest() is None


def test_clip_cuts_boxes_to_the_image_and_leaves_landmarks() -> None:
    landmarks = np.full((3, 5, 2), -7)
    faces = Faces([[-5, -6, 700, 500], [1.5, 2.5, 3.5, 4.5], [-20, 490, -10, 500]], [0.5] * 3, landmarks, SIZE)
    clipped = faces.clip()
    np.testing.assert_array_equal(clipped.boxes, [[0, 0, 640, 480], [1.5, 2.5, 3.5, 4.5], [0, 480, 0, 480]])
    np.testing.assert_array_equal(clipped.landmarks, landmarks)
    assert clipped.image_size == SIZE
    assert clipped.clip() == clipped
    assert Faces.empty(SIZE).clip() == Faces.empty(SIZE)


def test_scale_maps_to_a_resized_image() -> None:
    faces = Faces([[1, 2, 3, 4]], [0.5], np.arange(10).reshape(1, 5, 2), (500, 333), {"pnet": 1.0})
    double = faces.scale(2)
    np.testing.assert_array_equal(double.boxes, [[2, 4, 6, 8]])
    np.testing.assert_array_equal(double.landmarks, faces.landmarks * 2)
    assert double.image_size == (1000, 666)
    assert double.timings == {"pnet": 1.0}
    assert double.scale(0.5) == faces
    original = faces.scale(2, 667 / 333)
    assert original.image_size == (1000, 667)
    np.testing.assert_allclose(original.boxes, [[2, 2 * 667 / 333, 6, 4 * 667 / 333]], rtol=1e-7)
    np.testing.assert_allclose(original.landmarks[0, :, 1], faces.landmarks[0, :, 1] * 667 / 333, rtol=1e-7)


@pytest.mark.parametrize("factors", [(0,), (-1,), (1, 0), (float("nan"),), (1, float("inf")), ("2",), (True,), (None,)])
def test_scale_refuses_other_factors(factors: tuple[object, ...]) -> None:
    with pytest.raises(ConfigError, match=r"s[xy]"):
        faces_of([[0, 0, 1, 1]]).scale(*factors)  # type: ignore[arg-type]


def test_scale_refuses_to_leave_float32() -> None:
    with pytest.raises(ConfigError, match="boxes must be finite"):
        faces_of([[0, 0, 1e30, 1]]).scale(1e30)


def test_to_dict_has_the_shape_of_the_command_lines_json() -> None:
    faces = Faces([[1, 2, 3.5, 4.25]], [0.5], np.arange(10).reshape(1, 5, 2), SIZE)
    assert faces.to_dict() == {
        "width": 640,
        "height": 480,
        "faces": [
            {"box": [1.0, 2.0, 3.5, 4.25], "score": 0.5, "landmarks": [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]},
        ],
    }
    assert Faces.empty((3, 4)).to_dict() == {"width": 3, "height": 4, "faces": []}


def test_to_dict_holds_plain_python_numbers() -> None:
    record = Faces(np.ones((1, 4)), np.ones(1), np.ones((1, 5, 2)), (np.int64(3), np.int64(4))).to_dict()
    face = record["faces"][0]
    assert {type(v) for v in [*face["box"], face["score"], *face["landmarks"][0]]} == {float}
    assert {type(record["width"]), type(record["height"])} == {int}


def test_json_brings_back_every_bit() -> None:
    random = np.random.default_rng(0)
    faces = Faces(random.normal(size=(20, 4)) * 1000, random.random(20), random.normal(size=(20, 5, 2)) * 1000, SIZE)
    assert Faces.from_dict(json.loads(faces.to_json())) == faces
    assert json.loads(faces.to_json(indent=2)) == faces.to_dict()
    assert "\n" not in faces.to_json()
    assert '\n  "width": 640' in faces.to_json(indent=2)
    assert Faces.from_dict(Faces.empty(SIZE).to_dict()) == Faces.empty(SIZE)


def test_from_dict_ignores_other_keys() -> None:
    record = {"path": "a.jpg", "error": None, **faces_of([[0, 0, 1, 1]]).to_dict()}
    assert Faces.from_dict(record) == faces_of([[0, 0, 1, 1]])


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"width": 1, "height": 2},
        {"width": 1, "faces": []},
        {"width": 1, "height": 2, "faces": None},
        {"width": 1, "height": 2, "faces": [{"box": [1, 2, 3, 4], "score": 0.5}]},
        {"width": 1, "height": 2, "faces": [[1, 2, 3, 4]]},
        [],
        None,
        "text",
    ],
    ids=repr,
)
def test_from_dict_refuses_other_shapes(record) -> None:
    with pytest.raises(ConfigError, match="record must be"):
        Faces.from_dict(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"path": "a.jpg", "width": None, "height": None, "faces": [], "error": "damaged"}, "image_size must be"),
        ({"width": 1, "height": 2, "faces": [{"box": [1, 2], "score": 0.5, "landmarks": []}]}, "boxes must be"),
    ],
)
def test_from_dict_refuses_other_values(record, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Faces.from_dict(record)
