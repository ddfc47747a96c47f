"""Styles of drawing: shapes, colors, tags, darkening, and what is refused."""

import itertools

import numpy as np
import pytest

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import DrawStyle, Faces
from mtcnn_fast.faces.styles import PALETTE, SHADE_COLOR, STYLES
from mtcnn_fast.faces.tags import Tags, ink_on

GRAY = (90, 90, 90)
RED = (255, 0, 0)
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
BARE = {"tag": "none", "landmarks": False}


def faces(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (300, 300)) -> Faces:
    landmarks = [POINTS * [x2 - x1, y2 - y1] + [x1, y1] for x1, y1, x2, y2 in boxes]
    return Faces(
        np.reshape(boxes, (-1, 4)), np.linspace(0.99, 0.8, len(boxes)), np.reshape(landmarks, (-1, 5, 2)), size
    )


def drawn(found: Faces, style: DrawStyle | str, **options) -> np.ndarray:
    width, height = found.image_size
    return np.asarray(found.draw(np.full((height, width, 3), GRAY, np.uint8), style=style, **options))


def where(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (picture == np.array(color, np.uint8)).all(axis=2)


@pytest.mark.parametrize("style", list(STYLES))
def test_a_name_is_a_style(style: str) -> None:
    found = faces((60, 60, 200, 220))
    np.testing.assert_array_equal(drawn(found, style), drawn(found, STYLES[style]))
    assert not where(drawn(found, style), GRAY).all()


def test_the_styles_differ() -> None:
    pictures = [drawn(faces((60, 60, 200, 220)), style) for style in STYLES]
    for one, other in itertools.combinations(pictures, 2):
        assert (one != other).any()


@pytest.mark.parametrize("color", [RED, list(RED), np.array(RED), "#ff0000", "#f00", "red"])
def test_a_color_has_many_forms(color: object) -> None:
    picture = drawn(faces((60, 60, 200, 220)), DrawStyle(color=color, line_width=3, **BARE))
    assert where(picture, RED)[61, 100:180].all()
    assert DrawStyle(color=color).color == RED


def test_corners_leave_the_middle_of_the_sides() -> None:
    whole, corners = (
        where(drawn(faces((50, 50, 249, 249)), DrawStyle(shape=s, color="red", line_width=4, **BARE)), RED)
        for s in ("box", "corners")
    )
    assert not (corners & ~whole).any()
    assert whole[51, 150]
    assert not corners[51, 150]
    assert corners[51, 70]
    assert corners[248, 230]
    assert 0.4 < corners.sum() / whole.sum() < 0.6


def test_an_ellipse_touches_the_sides_of_the_box() -> None:
    ring = where(drawn(faces((50, 80, 249, 219)), DrawStyle(shape="ellipse", color="red", line_width=4, **BARE)), RED)
    rows, columns = np.nonzero(ring)
    assert (columns.min(), columns.max()) == (50, 249)
    assert (rows.min(), rows.max()) == (80, 219)
    y, x = rows + 0.5 - 150, columns + 0.5 - 150
    radius = np.hypot(x / 100, y / 70)
    assert radius.max() < 1.01
    assert radius.min() > 0.93
    assert not ring[150, 150]


def test_no_shape_leaves_landmarks_and_tags() -> None:
    assert where(drawn(faces((60, 60, 200, 220)), DrawStyle(shape="none", **BARE)), GRAY).all()
    points = drawn(faces((60, 60, 200, 220)), DrawStyle(shape="none", tag="none", landmark_color=RED))
    assert where(points, RED)[124, 102]


def test_dimming_leaves_the_faces_as_they_are() -> None:
    found = faces((50, 50, 149, 149), (170, 170, 290, 290))
    picture = drawn(found, DrawStyle(shape="none", dim=0.5, **BARE))
    assert where(picture, GRAY)[100, 100]
    assert where(picture, GRAY)[230, 230]
    assert where(picture, (45, 45, 45))[10, 10]
    assert where(picture, (45, 45, 45))[100, 230]
    black = drawn(found, DrawStyle(shape="ellipse", color="red", dim=1, **BARE))
    # The corner of the box lies outside the ellipse.
    assert black[52, 52].tolist() == [0, 0, 0]
    assert where(drawn(found, DrawStyle(dim=0, **BARE)), GRAY)[10, 10]


def test_the_palette_has_a_color_for_each_face_and_keeps_it_for_an_id() -> None:
    boxes = [(20, 20, 80, 80), (120, 20, 180, 80), (220, 20, 280, 80)]
    style = DrawStyle(color="palette", line_width=3, **BARE)

    def colors(picture: np.ndarray) -> list[tuple[int, int, int]]:
        return [tuple(picture[21, x].tolist()) for x in (50, 150, 250)]

    assert colors(drawn(faces(*boxes), style)) == list(PALETTE[:3])
    assert colors(drawn(faces(*boxes), style, ids=[2, 0, 2 + len(PALETTE)])) == [PALETTE[2], PALETTE[0], PALETTE[2]]
    named = colors(drawn(faces(*boxes), style, ids=["Ada", "Bo", "Ada"]))
    assert named[0] == named[2] != named[1]


def test_tags_show_score_index_or_id() -> None:
    found = faces((60, 60, 120, 120), (180, 60, 240, 120))
    tags = {name: drawn(found, DrawStyle(tag=name), ids=["a", "b"])[:60] for name in ("index", "id")}
    tags["score"] = drawn(found, DrawStyle(tag="score"))[:60]
    for one, other in itertools.combinations(tags.values(), 2):
        assert (one != other).any()
    assert where(drawn(found, DrawStyle(tag="none"))[:58], GRAY).all()
    # The index is that of the faces, not the order of drawing.
    alone = drawn(found[:1], DrawStyle(tag="index"))
    np.testing.assert_array_equal(drawn(found, DrawStyle(tag="index"))[:58, :150], alone[:58, :150])


def test_ids_are_written_in_place_of_scores() -> None:
    found = faces((60, 60, 120, 120))
    np.testing.assert_array_equal(drawn(found, "default", ids=[7]), drawn(found, DrawStyle(tag="id"), ids=[7]))
    assert (drawn(found, "default", ids=[7]) != drawn(found, "default")).any()


def test_tags_keep_off_each_other_where_they_can() -> None:
    rng = np.random.default_rng(4)
    corners = rng.uniform(40, 600, (40, 2)).round()
    boxes = np.concatenate([corners, corners + 30], axis=1)
    tags = Tags((700, 700), boxes)
    places = np.array([tags.place(tuple(box), 1, 10, "0.999") for box in boxes])
    assert (places[:, :2] >= 0).all()
    assert (places[:, 2:] <= 700).all()
    low, high = (
        np.maximum(places[:, None, :2], places[None, :, :2]),
        np.minimum(places[:, None, 2:], places[None, :, 2:]),
    )
    shared = np.prod((high - low).clip(0), axis=2)
    np.fill_diagonal(shared, 0)
    first = Tags((700, 700), np.empty((0, 4)))
    alone = np.array([first.place(tuple(box), 1, 10, "0.999") for box in boxes[:1]])
    assert alone[0].tolist() == [boxes[0, 0], boxes[0, 1] + 1 - (alone[0, 3] - alone[0, 1]), *alone[0, 2:]]
    # Always above and to the left they would share this much.
    size = places[0, 2:] - places[0, :2]
    naive = np.concatenate([corners - [0, size[1]], corners - [0, size[1]] + size], axis=1)
    low, high = np.maximum(naive[:, None, :2], naive[None, :, :2]), np.minimum(naive[:, None, 2:], naive[None, :, 2:])
    overlap = np.prod((high - low).clip(0), axis=2)
    np.fill_diagonal(overlap, 0)
    assert shared.sum() < 0.3 * overlap.sum()


def test_text_has_the_higher_contrast() -> None:
    assert ink_on((255, 255, 0)) == SHADE_COLOR
    assert ink_on((0, 0, 160)) == (255, 255, 255)


def test_landmarks_of_small_faces_hide_little_of_them() -> None:
    style = DrawStyle(shape="none", tag="none")
    small, large = (
        1
        - where(drawn(faces((100, 100, 100 + side, 100 + side), size=(1000, 1000)), style), GRAY)[
            100 : 100 + side, 100 : 100 + side
        ].mean()
        for side in (20, 600)
    )
    assert 0 < small < 0.13
    assert 0 < large < 0.02


@pytest.mark.parametrize("shape", ["box", "corners", "ellipse"])
@pytest.mark.parametrize(
    "box", [(-1e30, -1e30, 1e30, 1e30), (1e9, 1e9, 2e9, 2e9), (40, 40, 10, 10), (20, 20, 20, 20), (-9, -9, -5, -5)]
)
def test_any_box_can_be_drawn(shape: str, box) -> None:
    found = Faces([box], [0.9], [POINTS * 40], (60, 50))
    assert drawn(found, DrawStyle(shape=shape, dim=0.3)).shape == (50, 60, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": "circle"}, "shape must be one of box, corners, ellipse, none, got 'circle'"),
        ({"tag": "name"}, "tag must be one of score, index, id, none, got 'name'"),
        ({"color": "reddish"}, r"color must be 'palette', or a color as \(red, green, blue\).*got 'reddish'"),
        ({"color": (0, 0, 256)}, r"color must be 'palette', or a color.*got \(0, 0, 256\)"),
        ({"landmark_color": 7}, r"landmark_color must be a color as \(red, green, blue\).*got 7"),
        ({"landmark_color": "palette"}, "landmark_color must be a color"),
        ({"dim": 1.5}, "dim must be a number from 0 to 1, got 1.5"),
        ({"landmarks": "yes"}, "landmarks must be true or false, got 'yes'"),
        ({"line_width": 0}, "line_width must be a whole number of at least 1"),
    ],
)
def test_values_that_are_refused(arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DrawStyle(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "fancy"}, "style must be one of default, corners, ellipse, palette, spotlight, got 'fancy'"),
        ({"style": 3}, "style must be one of .*, got 3"),
        ({"style": DrawStyle(tag="id")}, "ids must be given, one a face, for tags with ids"),
        ({"style": "default", "ids": [1, 2]}, r"ids must be 1 whole numbers or texts, one a face, got \[1, 2\]"),
        ({"style": "default", "ids": [1.5]}, "ids must be 1 whole numbers or texts"),
    ],
)
def test_arguments_that_are_refused(arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        drawn(faces((60, 60, 120, 120)), **arguments)
