"""Turned images and tiles: where they lie, and that together they show everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mtcnn_fast import DetectorConfig, Faces
from mtcnn_fast.views.parts import _grid, _spans, parts_of, turned_back
from mtcnn_fast.views.settings import REACH, Views


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3))
def test_turning_back_finds_the_pixel(width: int, height: int, turns: int) -> None:
    image = np.arange(width * height).reshape(height, width)
    turned = np.rot90(image, turns)
    for y in range(turned.shape[0]):
        for x in range(turned.shape[1]):
            back = turned_back(np.array([x + 0.5, y + 0.5]), turns, turned.shape[1], turned.shape[0])
            column, row = (back - 0.5).astype(int)
            assert image[row, column] == turned[y, x]


@given(st.integers(1, 3000), st.integers(64, 600), st.integers(1, 300))
def test_spans_cover_a_line(length: int, side: int, overlap: int) -> None:
    assume(overlap <= side // 2)
    spans = _spans(length, side, overlap)
    starts = [start for start, _, _ in spans]
    assert starts[0] == 0
    assert starts[-1] + side >= length
    assert all(0 < second - first <= side - overlap for first, second in itertools.pairwise(starts))
    assert [low for _, low, _ in spans[1:]] == [high for _, _, high in spans[:-1]]


@given(st.integers(300, 1500), st.integers(300, 1500), st.data())
def test_a_face_of_any_place_is_whole_in_a_tile_of_its_own(width: int, height: int, data: st.DataObject) -> None:
    """A face no larger than the reach lies wholly in each tile that keeps it, and one tile keeps it."""
    side, overlap = 256, 64
    # Less a rounding: x + size - x may be more than size.
    size = data.draw(st.floats(1, REACH * overlap - 1e-9))
    x = data.draw(st.floats(0, width - size))
    y = data.draw(st.floats(0, height - size))
    box = np.array([[x, y, x + size, y + size]])
    kept = [(tile, w, h) for tile, w, h in _grid(width, height, side, overlap) if tile.keeps(box)[0]]
    assert kept
    for tile, w, h in kept:
        assert tile.x <= x + 1e-6 and x + size <= tile.x + w + 1e-6  # noqa: PT018
        assert tile.y <= y + 1e-6 and y + size <= tile.y + h + 1e-6  # noqa: PT018


def test_levels_of_an_image() -> None:
    image = np.zeros((900, 2000, 3), np.uint8)
    views = Views(tiles=512, tile_overlap=128)
    parts = list(parts_of(image, views, DetectorConfig()))
    assert [place.factor for _, place in parts] == sorted(place.factor for _, place in parts)
    assert {place.factor for _, place in parts} == {1, 2, 4}
    assert all(pixels.shape[0] <= 512 and pixels.shape[1] <= 512 for pixels, _ in parts)
    assert parts[-1][0].shape == (225, 500, 3)
    # Nothing is larger than what the first level's tiles show.
    limited = list(parts_of(image, views, DetectorConfig(max_face_size=90)))
    assert {place.factor for _, place in limited} == {1}


@pytest.mark.parametrize("rotations", [(0,), (0, 90, 180, 270)])
def test_an_image_of_one_tile_is_one_part(rotations: tuple[int, ...]) -> None:
    image = np.zeros((512, 300, 3), np.uint8)
    parts = list(parts_of(image, Views(tiles=512, rotations=rotations), DetectorConfig()))
    assert len(parts) == len(rotations)
    assert parts[0][1].same
    assert [pixels.shape[:2] for pixels, _ in parts][:2] == [(512, 300), (300, 512)][: len(rotations)]


def test_faces_of_a_part_in_the_image() -> None:
    views = Views(tiles=256, tile_overlap=64, rotations=(90,))
    image = np.zeros((400, 300, 3), np.uint8)
    places = [place for _, place in parts_of(image, views, DetectorConfig())]
    part = next(place for place in places if place.tile.x > 0 and place.tile.y > 0)
    assert (part.tile.x, part.tile.y) == (44, 144)
    points = np.array([[100, 50]] * 5)
    faces = Faces([[90, 40, 110, 60], [0, 0, 255, 255]], [0.9, 0.8], [points, points], (256, 256))
    boxes, scores, landmarks = part.back(faces)
    # Turned by a quarter, (x, y) came from (256 - y, x); the other face is larger than the tiles are for.
    np.testing.assert_array_equal(boxes, [[44 + 196, 144 + 90, 44 + 216, 144 + 110]])
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)
    np.testing.assert_array_equal(landmarks[0, 0], [44 + 205, 144 + 100])
