"""What a notebook shows of `Faces`."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.drawing import BOX_COLOR
from mtcnn_fast.faces.notebook import FRAME_GRAY, SKETCH_SIZE, TABLE_ROWS


def some_faces(count: int, size: tuple[int, int] = (1000, 500)) -> Faces:
    corner = np.arange(count)[:, None] * 3.0
    boxes = np.concatenate([corner, corner + 1, corner + 40, corner + 51], axis=1)
    landmarks = np.stack([corner + np.arange(5) * 8, corner + np.arange(5) * 6], axis=2)
    return Faces(boxes, np.linspace(0.99, 0.8, count), landmarks, size)


def test_html_sketches_every_face_in_the_frame() -> None:
    faces = some_faces(3)
    root = ET.fromstring(faces._repr_html_())
    svg = root.find("svg")
    assert svg.get("viewBox") == "0 0 1000 500"
    assert (svg.get("width"), svg.get("height")) == (str(SKETCH_SIZE), str(SKETCH_SIZE // 2))
    paths = [path.get("d") for path in svg.findall("path")]
    assert paths[:2] == [
        "M0.0 1.0H40.0V51.0H0.0Z",
        "M0.0 0.0h0M8.0 6.0h0M16.0 12.0h0M24.0 18.0h0M32.0 24.0h0",
    ]
    assert len(paths) == 6
    assert root.find("p").text == repr(faces)


def test_html_has_a_table_of_the_numbers() -> None:
    rows = [[cell.text for cell in row] for row in ET.fromstring(some_faces(2)._repr_html_()).iter("tr")]
    assert rows == [
        ["face", "score", "x1", "y1", "x2", "y2"],
        ["0", "0.9900", "0.0", "1.0", "40.0", "51.0"],
        ["1", "0.8000", "3.0", "4.0", "43.0", "54.0"],
    ]


def test_html_of_many_faces_says_how_many_it_leaves_out() -> None:
    for count, note in ((TABLE_ROWS, None), (TABLE_ROWS + 7, "… and 7 more")):
        root = ET.fromstring(some_faces(count)._repr_html_())
        assert len(list(root.iter("tr"))) == TABLE_ROWS + 1
        assert len(root.findall("svg/path")) == 2 * count
        assert [p.text for p in root.findall("p")[1:]] == ([note] if note else [])


def test_html_without_faces_is_an_empty_frame() -> None:
    root = ET.fromstring(Faces.empty((30, 20))._repr_html_())
    assert root.find("svg").get("width") == "30"
    assert root.findall("svg/path") == []
    assert root.find("table") is None


@pytest.mark.parametrize("size", [(0, 0), (20000, 1), (1, 20000), (3, 3)])
def test_any_image_size_can_be_shown(size: tuple[int, int]) -> None:
    for faces in (Faces.empty(size), some_faces(2, size)):
        svg = ET.fromstring(faces._repr_html_()).find("svg")
        assert all(1 <= int(svg.get(side)) <= SKETCH_SIZE for side in ("width", "height"))
        picture = Image.open(io.BytesIO(faces._repr_png_()))
        assert all(1 <= side <= SKETCH_SIZE for side in picture.size)


def test_png_draws_the_faces_on_an_empty_frame() -> None:
    faces = Faces([[200, 100, 600, 400]], [0.9], np.full((1, 5, 2), 300), (1000, 500))
    picture = Image.open(io.BytesIO(faces._repr_png_()))
    assert picture.format == "PNG"
    assert picture.size == (SKETCH_SIZE, SKETCH_SIZE // 2)
    pixels = np.asarray(picture)
    assert pixels[120, 96].tolist() == list(BOX_COLOR)
    assert pixels[120, 288].tolist() == list(BOX_COLOR)
    assert pixels[5, 5].tolist() == [FRAME_GRAY] * 3
