"""Drawing: what is drawn, where, and how its size follows image and face."""

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.drawing import BOX_COLOR, LANDMARK_COLOR, LEAST_LABELLED, draw_faces

GRAY = (90, 90, 90)
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def one_face(box: tuple[float, float, float, float], size: tuple[int, int], score: float = 0.9) -> Faces:
    x1, y1, x2, y2 = box
    return Faces([box], [score], [POINTS * [x2 - x1, y2 - y1] + [x1, y1]], size)


def drawn(faces: Faces, **options) -> np.ndarray:
    width, height = faces.image_size
    return np.asarray(faces.draw(np.full((height, width, 3), GRAY, np.uint8), **options))


def where(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (picture == np.array(color, np.uint8)).all(axis=2)


def changed(picture: np.ndarray) -> np.ndarray:
    return ~where(picture, GRAY)


def test_the_result_is_a_new_picture() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    image.setflags(write=False)
    picture = draw_faces(image, one_face((10, 10, 40, 50), (80, 60)).boxes)
    assert isinstance(picture, Image.Image)
    assert (picture.mode, picture.size) == ("RGB", (80, 60))
    assert (image == 90).all()
    assert changed(np.asarray(picture)).any()


def test_a_writable_image_is_left_alone_too() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    picture = one_face((10, 10, 40, 50), (80, 60)).draw(image)
    picture.putpixel((0, 0), (1, 2, 3))
    assert (image == 90).all()


def test_no_faces_draw_nothing() -> None:
    assert not changed(drawn(Faces.empty((80, 60)))).any()


def test_the_box_is_an_outline_on_its_edges() -> None:
    picture = drawn(one_face((20, 30, 70.4, 89.6), (100, 120)), scores=False, landmarks=False, line_width=3)
    expected = np.zeros((120, 100), bool)
    expected[30:91, 20:71] = True
    expected[33:88, 23:68] = False
    # Corners are round: their radius is twice the line.
    straight = np.zeros_like(expected)
    straight[36:85] = True
    straight[:, 26:65] = True
    np.testing.assert_array_equal(where(picture, BOX_COLOR) & straight, expected & straight)
    assert not where(picture, BOX_COLOR)[30, 20]
    # A dark rim of one pixel on both sides, and nothing beyond it.
    beside = np.zeros_like(expected)
    beside[29:92, 19:72] = True
    beside[34:87, 24:67] = False
    np.testing.assert_array_equal(changed(picture) & straight, beside & straight)
    assert (picture[60, 19] < GRAY).all()


def test_round_corners_are_smooth_and_the_same_on_all_sides() -> None:
    picture = drawn(one_face((20, 20, 79, 79), (100, 100)), scores=False, landmarks=False, line_width=4)
    for other in (picture[::-1], picture[:, ::-1], picture.transpose(1, 0, 2)):
        np.testing.assert_array_equal(picture, other)
    corner = picture[20:28, 20:28].reshape(-1, 3)
    assert len(np.unique(corner, axis=0)) > 6


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5])
def test_dots_lie_on_the_landmarks(offset: float) -> None:
    faces = one_face((40 + offset, 40, 240 + offset, 240 + offset), (300, 300))
    bare = drawn(faces, scores=False, landmarks=False)
    dotted = drawn(faces, scores=False)
    # How much each pixel was painted over, from the red channel.
    weight = np.abs(dotted[..., 0].astype(float) - bare[..., 0])
    y, x = np.mgrid[:300, :300]
    for px, py in faces.landmarks[0].tolist():
        near = (np.abs(x - px) < 15) & (np.abs(y - py) < 15)
        centre = np.array([(weight * near * x).sum(), (weight * near * y).sum()]) / (weight * near).sum()
        # Half a pixel would be a wrong convention; rim and dot overlap, which costs the measure some of its precision.
        assert np.abs(centre - [px, py]).max() < 0.25
        assert dotted[round(py), round(px)].tolist() == list(LANDMARK_COLOR)


def test_what_is_switched_off_is_not_drawn() -> None:
    faces = one_face((60, 60, 200, 200), (300, 300))
    inside = np.zeros((300, 300), bool)
    inside[70:190, 70:190] = True
    above = np.zeros((300, 300), bool)
    above[:58] = True
    everything, no_scores, no_landmarks = drawn(faces), drawn(faces, scores=False), drawn(faces, landmarks=False)
    assert (changed(everything) & above).any()
    assert (changed(everything) & inside).any()
    assert not (changed(no_scores) & above).any()
    assert (changed(no_scores) & inside).any()
    assert (changed(no_landmarks) & above).any()
    assert not (changed(no_landmarks) & inside).any()


def test_the_label_shows_the_score() -> None:
    box = (60, 60, 200, 200)
    one, same, other = (drawn(one_face(box, (300, 300), score)) for score in (0.9, 0.90004, 0.8))
    np.testing.assert_array_equal(one, same)
    assert (one[:60] != other[:60]).any()
    np.testing.assert_array_equal(one[64:], other[64:])


@pytest.mark.parametrize(
    "box", [(2, 2, 100, 100), (-40, -30, 60, 80), (250, 0, 340, 90), (290, 290, 400, 400), (150, 290, 250, 420)]
)
def test_the_label_stays_inside_the_image(box) -> None:
    tag = where(drawn(one_face(box, (300, 300)), landmarks=False), BOX_COLOR)
    outline = where(drawn(one_face(box, (300, 300)), landmarks=False, scores=False), BOX_COLOR)
    in_full = one_face((100, 100, 100 + box[2] - box[0], 100 + box[3] - box[1]), (300, 300))
    whole = where(drawn(in_full, landmarks=False), BOX_COLOR) & ~where(
        drawn(in_full, landmarks=False, scores=False), BOX_COLOR
    )
    # Part of the tag may lie on the outline of the box.
    rows, columns = np.nonzero(tag & ~outline)
    assert len(rows) > 0.5 * whole.sum()
    seen_rows, seen_columns = np.nonzero(whole)
    assert abs(np.ptp(rows) - np.ptp(seen_rows)) <= 3
    assert abs(np.ptp(columns) - np.ptp(seen_columns)) <= 3


def test_sizes_follow_the_image() -> None:
    def measure(factor: int) -> tuple[int, int]:
        faces = one_face((100 * factor, 100 * factor, 300 * factor, 300 * factor), (500 * factor, 500 * factor))
        line = where(drawn(faces, scores=False, landmarks=False), BOX_COLOR)[200 * factor, : 200 * factor].sum()
        label = changed(drawn(faces, landmarks=False))[: 100 * factor].any(axis=1).sum()
        return int(line), int(label)

    (thin, low), (thick, high) = measure(1), measure(4)
    assert (thin, thick) == (2, 8)
    assert 3.5 < high / low < 4.5


def test_sizes_follow_the_face() -> None:
    small, large = (one_face((100, 100, 100 + side, 100 + side), (2000, 2000)) for side in (30, 900))
    lines = [where(drawn(f, scores=False, landmarks=False), BOX_COLOR)[110, :110].sum() for f in (small, large)]
    assert lines == [2, 8]
    labels = [changed(drawn(f, landmarks=False))[:100].any(axis=1).sum() for f in (small, large)]
    assert labels[0] < 15
    assert 45 < labels[1] < 75


def test_faces_too_small_for_a_label_have_none_unless_it_is_asked_for() -> None:
    tiny = one_face((100, 100, 100 + LEAST_LABELLED - 1, 100 + LEAST_LABELLED - 1), (400, 400))
    assert not changed(drawn(tiny))[:99].any()
    assert changed(drawn(tiny, font_size=12))[:99].any()
    assert changed(drawn(one_face((100, 100, 100 + LEAST_LABELLED, 100 + LEAST_LABELLED), (400, 400))))[:99].any()


def test_font_size_is_obeyed() -> None:
    faces = one_face((100, 200, 300, 390), (400, 400))
    heights = [changed(drawn(faces, landmarks=False, font_size=n))[:200].any(axis=1).sum() for n in (10, 20, 40)]
    assert heights == sorted(set(heights))
    assert 1.7 < heights[2] / heights[1] < 2.3


def test_the_best_face_is_drawn_last() -> None:
    boxes = [(50, 50, 150, 150), (50, 50, 150, 150)]
    landmarks = np.stack([POINTS * 100 + 50] * 2)
    best_first, best_last = (Faces(boxes, s, landmarks, (200, 200)) for s in ([0.9, 0.8], [0.8, 0.9]))
    best_alone = Faces(boxes[:1], [0.9], landmarks[:1], (200, 200))
    np.testing.assert_array_equal(drawn(best_first), drawn(best_last))
    # Its tag has the first place; that of the other goes to the right.
    np.testing.assert_array_equal(drawn(best_first)[:48, :95], drawn(best_alone)[:48, :95])


@pytest.mark.parametrize(
    "box", [(-1e30, -1e30, 1e30, 1e30), (1e9, 1e9, 2e9, 2e9), (40, 40, 10, 10), (20, 20, 20, 20), (-9, -9, -5, -5)]
)
def test_any_box_can_be_drawn(box) -> None:
    picture = drawn(one_face(box, (60, 50)))
    assert picture.shape == (50, 60, 3)


def test_boxes_that_surround_the_image_leave_no_line_in_it() -> None:
    picture = drawn(one_face((-1000, -1000, 1000, 1000), (60, 50)), scores=False, landmarks=False)
    assert not changed(picture).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1)])
def test_any_image_can_be_drawn_on(size: tuple[int, int]) -> None:
    assert drawn(one_face((0, 0, 30, 30), size)).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("name", ["line_width", "font_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
def test_sizes_must_be_positive_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a whole number of at least 1"):
        drawn(Faces.empty((10, 10)), **{name: value})
