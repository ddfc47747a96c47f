"""Scales, bins, cells, squares and regression: what they mean, for any input."""

from __future__ import annotations

import itertools
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra.numpy import arrays

from mtcnn_fast.backends.numpy import steps as ops

pytestmark = pytest.mark.property

lengths = st.integers(1, 3000)
coordinates = st.floats(-2000, 2000, width=32)
sizes = st.floats(0, 1500, width=32)


@st.composite
def box_arrays(draw, least=0, most=12):
    count = draw(st.integers(least, most))
    corners = draw(arrays(np.float32, (count, 2), elements=coordinates))
    return np.concatenate([corners, corners + draw(arrays(np.float32, (count, 2), elements=sizes))], axis=1)


# --- scales ---


@given(lengths, lengths, st.floats(1, 500), st.floats(0.3, 0.95))
def test_scales_start_at_the_smallest_face_and_end_at_the_receptive_field(height, width, smallest, factor):
    scales = ops.pyramid_scales(height, width, smallest, factor)
    assert bool(scales) == (min(height, width) * (12 / smallest) >= 12)
    if scales:
        assert scales[0] == 12 / smallest
        assert min(height, width) * scales[-1] >= 12 > min(height, width) * (scales[-1] * factor)
        assert all(second == first * factor for first, second in itertools.pairwise(scales))
        for scale in scales:
            assert min(ops.scaled_size(height, width, scale)) >= 12


@given(lengths, lengths, st.floats(1, 100), st.floats(1, 2000))
def test_max_face_size_leaves_out_scales(height, width, smallest, largest):
    scales = ops.pyramid_scales(height, width, smallest, 0.709)
    assert ops.pyramid_scales(height, width, smallest, 0.709, largest) == [s for s in scales if 12 / s <= largest]


# --- bins ---


@given(lengths, st.integers(1, 600))
@example(7, 7)
@example(1, 24)
def test_bins_are_floor_and_ceiling_of_their_exact_borders(length, count):
    start, stop = ops.area_bins(length, count)
    for i in range(count):
        low, high = Fraction(i * length, count), Fraction((i + 1) * length, count)
        assert start[i] == low.numerator // low.denominator
        assert stop[i] == -(-high.numerator // high.denominator)
    assert start[0] == 0
    assert stop[-1] == length
    assert (stop - start >= 1).all()
    assert (start[1:] <= stop[:-1]).all()
    if length <= count:
        assert (stop - start <= 2).all()


@given(st.lists(lengths, min_size=1, max_size=5), st.integers(1, 50))
def test_bins_of_many_lengths_are_those_of_each(many, count):
    start, stop = ops.area_bins(np.array(many), count)
    for row, length in enumerate(many):
        np.testing.assert_array_equal((start[row], stop[row]), ops.area_bins(length, count))


# --- cells ---


@given(st.integers(0, 4000), st.integers(0, 4000), st.floats(0.001, 12))
@example(3, 5, 0.6)
@example(0, 0, 0.6 * 0.709)
def test_cells_map_to_the_floor_of_one_float32_division(row, column, scale):
    (box,) = ops.map_cells(np.array([row]), np.array([column]), scale)
    exact = Fraction(float(np.float32(scale)))
    for value, numerator in zip(
        box.tolist(), (2 * column + 1, 2 * row + 1, 2 * column + 12, 2 * row + 12), strict=True
    ):
        assert value == int(nearest_float32(Fraction(numerator) / exact))


def nearest_float32(value: Fraction) -> float:
    """Round a positive fraction to float32, ties to even, independently of the machine's arithmetic."""
    exponent = 0
    while value >= 2**24:
        value /= 2
        exponent += 1
    while value < 2**23:
        value *= 2
        exponent -= 1
    return float(round(value)) * 2.0**exponent


# --- squares ---


@given(box_arrays())
def test_squares_have_the_longer_side_and_the_centre(boxes):
    squares = ops.square(boxes).astype(np.float64)
    exact = boxes.astype(np.float64)
    side = (exact[:, 2:] - exact[:, :2]).max(axis=1, initial=0)
    np.testing.assert_allclose(squares[:, 2:] - squares[:, :2], np.stack([side, side], axis=1), atol=1e-3)
    np.testing.assert_allclose(squares[:, :2] + squares[:, 2:], exact[:, :2] + exact[:, 2:], atol=4e-3)
    assert ops.square(boxes).dtype == np.float32


@given(box_arrays(least=1))
def test_squares_are_rounded_in_the_written_order(boxes):
    f = np.float32
    for box, result in zip(boxes, ops.square(boxes), strict=True):
        x1, y1, x2, y2 = map(f, box)
        w, h = f(x2 - x1), f(y2 - y1)
        side = max(w, h)
        left = f(f(x1 + f(w * f(0.5))) - f(side * f(0.5)))
        top = f(f(y1 + f(h * f(0.5))) - f(side * f(0.5)))
        assert result.tolist() == [left, top, f(left + side), f(top + side)]


# --- regression ---


@given(box_arrays(least=1), st.data(), st.sampled_from([0, 1]))
def test_corner_offsets_are_in_units_of_the_box(boxes, data, extra):
    offsets = data.draw(arrays(np.float32, boxes.shape, elements=st.floats(-1, 1, width=32)))
    f = np.float32
    for box, offset, result in zip(boxes, offsets, ops.regress(boxes, offsets, "corner", extra), strict=True):
        x1, y1, x2, y2 = map(f, box)
        w, h = f(f(x2 - x1) + f(extra)), f(f(y2 - y1) + f(extra))
        moved = [f(a + f(d * size)) for a, d, size in zip((x1, y1, x2, y2), offset, (w, h, w, h), strict=True)]
        assert result.tolist() == moved


@given(box_arrays(least=1), st.data(), st.sampled_from([0, 1]))
def test_rcnn_offsets_lead_to_the_box_they_were_made_from(boxes, data, extra):
    """Encode a target as in Girshick et al. 2014, appendix C, and decode it."""
    boxes[:, 2:] += 1  # no empty boxes: their logarithm does not exist
    change = data.draw(arrays(np.float64, boxes.shape, elements=st.floats(-0.4, 0.4)))
    exact = boxes.astype(np.float64)
    size = exact[:, 2:] - exact[:, :2] + extra
    target = exact + change * np.concatenate([size, size], axis=1)
    target_size = target[:, 2:] - target[:, :2] + extra
    shift = (target[:, :2] + target_size / 2 - exact[:, :2] - size / 2) / size
    offsets = np.concatenate([shift, np.log(target_size / size)], axis=1).astype(np.float32)
    np.testing.assert_allclose(ops.regress(boxes, offsets, "rcnn", extra), target, atol=0.01)


@pytest.mark.parametrize("coding", ["corner", "rcnn"])
def test_regression_of_nothing_is_nothing(coding):
    nothing = np.empty((0, 4), np.float32)
    assert ops.regress(nothing, nothing, coding, inclusive=True).shape == (0, 4)
    assert ops.square(nothing).shape == (0, 4)
    assert ops.place_landmarks(nothing, np.empty((0, 10), np.float32)).shape == (0, 5, 2)


@given(box_arrays(least=1), st.data())
def test_landmarks_are_five_x_then_five_y_in_units_of_the_box(boxes, data):
    points = data.draw(arrays(np.float32, (len(boxes), 10), elements=st.floats(-1, 2, width=32)))
    f = np.float32
    for box, point, result in zip(boxes, points, ops.place_landmarks(boxes, points), strict=True):
        x1, y1, x2, y2 = map(f, box)
        w, h = f(f(x2 - x1) + f(1)), f(f(y2 - y1) + f(1))
        for k in range(5):
            assert result[k, 0] == f(f(x1 + f(w * point[k])) - f(1))
            assert result[k, 1] == f(f(y1 + f(h * point[5 + k])) - f(1))


# --- order ---


@given(st.data(), st.integers(0, 12))
def test_final_order_is_by_score_then_corners(data, count):
    boxes = data.draw(arrays(np.float32, (count, 4), elements=st.sampled_from([0.0, 1.0, 2.0])))
    scores = data.draw(arrays(np.float32, count, elements=st.sampled_from([0.5, 1.0])))
    keys = [(-scores[i], *boxes[i].tolist()) for i in ops.final_order(boxes, scores)]
    assert keys == sorted((-score, *box) for score, box in zip(scores, boxes.tolist(), strict=True))
