"""Crops: zero padding against the index arrays of the original implementation, clipping, and what is dropped."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra.numpy import arrays

from mtcnn_fast.backends.numpy import steps as ops

pytestmark = pytest.mark.property

images = st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape))

#: Corners in and around images of up to 30 pixels, whole and fractional.
corners = st.floats(-70, 100, width=32)
boxes = st.tuples(corners, corners, st.floats(-3, 120, width=32), st.floats(-3, 120, width=32)).map(
    lambda b: np.array(
        [b[0], b[1], np.float32(b[0]) + np.float32(b[2]), np.float32(b[1]) + np.float32(b[3])], np.float32
    )
)


def index_arrays(x1, y1, x2, y2, width, height):
    """Compute the ten index arrays of the original implementation for one box, all 1-based and inclusive.

    A box of integer corners is ``tmpw`` x ``tmph`` pixels. Its part inside the image is columns ``x … ex`` and rows
    ``y … ey`` of the image, and goes to columns ``dx … edx`` and rows ``dy … edy`` of the crop.
    """
    tmpw, tmph = x2 - x1 + 1, y2 - y1 + 1
    dx, dy, edx, edy = 1, 1, tmpw, tmph
    x, y, ex, ey = x1, y1, x2, y2
    if ex > width:
        edx = tmpw - (ex - width)
        ex = width
    if ey > height:
        edy = tmph - (ey - height)
        ey = height
    if x < 1:
        dx = 1 + (1 - x)
        x = 1
    if y < 1:
        dy = 1 + (1 - y)
        y = 1
    return dy, edy, dx, edx, y, ey, x, ex, tmpw, tmph


def padded_by_index_arrays(image, box):
    """Cut a box out of an image as the original does: into a crop of zeros. None if nothing of the image is in it."""
    height, width, _ = image.shape
    x1, y1, x2, y2 = (int(value) for value in box)
    dy, edy, dx, edx, y, ey, x, ex, tmpw, tmph = index_arrays(x1, y1, x2, y2, width, height)
    if tmpw < 1 or tmph < 1 or ex < x or ey < y:
        return None
    patch = np.zeros((tmph, tmpw, 3), np.uint8)
    patch[dy - 1 : edy, dx - 1 : edx] = image[y - 1 : ey, x - 1 : ex]
    return patch


def clipped(image, box):
    """Cut the part of a box that is inside the image."""
    height, width, _ = image.shape
    x1, y1, x2, y2 = (int(value) for value in box)
    if x2 < x1 or y2 < y1:
        return None
    patch = image[max(y1, 1) - 1 : max(min(y2, height), 0), max(x1, 1) - 1 : max(min(x2, width), 0)]
    return patch if patch.size else None


def box(*corners):
    return np.array(corners, np.float32)


GRADIENT = np.arange(20 * 16 * 3, dtype=np.uint8).reshape(20, 16, 3)


@pytest.mark.parametrize(("border", "cut"), [("zero", padded_by_index_arrays), ("clip", clipped)])
@given(image=images, box=boxes, size=st.sampled_from([5, 24]))
@example(image=GRADIENT, box=box(3, 4, 10, 12), size=24)  # inside
@example(image=GRADIENT, box=box(1, 1, 16, 20), size=24)  # all of it
@example(image=GRADIENT, box=box(-6, 4, 7, 12), size=24)  # over the left side
@example(image=GRADIENT, box=box(9, 4, 25, 12), size=24)  # over the right side
@example(image=GRADIENT, box=box(3, -9, 10, 8), size=24)  # over the top
@example(image=GRADIENT, box=box(3, 12, 10, 33), size=24)  # over the bottom
@example(image=GRADIENT, box=box(-8, -9, 40, 50), size=24)  # larger than the image
@example(image=GRADIENT, box=box(-0.9, -0.9, 0.9, 0.9), size=24)  # truncated to column and row 0, outside
@example(image=GRADIENT, box=box(17, 3, 30, 9), size=24)  # right of it
@example(image=GRADIENT, box=box(16, 20, 16, 20), size=5)  # its last pixel
@example(image=GRADIENT, box=box(9, 9, 8, 12), size=5)  # no area
def test_crops_are_what_is_cut_and_resized(border, cut, image, box, size):
    crops, valid = ops.crop(ops.integral_image(image), box[None], size, border)
    assert crops.shape == (1, 3, size, size)
    assert crops.dtype == np.float32
    patch = cut(image, box)
    assert valid.tolist() == [patch is not None]
    if patch is None:
        assert not crops.any()
    else:
        np.testing.assert_array_equal(crops[0], ops.resize(ops.integral_image(patch), size, size))


@given(images, st.lists(boxes, max_size=6), st.sampled_from(["zero", "clip"]))
def test_boxes_are_cropped_independently(image, many, border):
    integral = ops.integral_image(image)
    stacked = np.array(many, np.float32).reshape(-1, 4)
    crops, valid = ops.crop(integral, stacked, 24, border)
    np.testing.assert_array_equal(valid, ops.crop_valid(stacked, *image.shape[:2]))
    for row, one in enumerate(stacked):
        alone, alone_valid = ops.crop(integral, one[None], 24, border)
        np.testing.assert_array_equal(crops[row], alone[0])
        assert valid[row] == alone_valid[0]


@pytest.mark.parametrize("border", ["zero", "clip"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("corner", range(4))
def test_corners_that_are_not_finite_are_dropped(border, bad, corner):
    boxes = np.tile(box(2, 2, 9, 9), (2, 1))
    boxes[0, corner] = bad
    crops, valid = ops.crop(ops.integral_image(GRADIENT), boxes, 24, border)
    assert valid.tolist() == [False, True]
    assert not crops[0].any()


def test_a_box_far_larger_than_the_image_is_nearly_all_zeros():
    crops, valid = ops.crop(ops.integral_image(GRADIENT), box(-1e30, -1e30, 1e30, 1e30)[None], 24, "zero")
    assert valid.tolist() == [True]
    np.testing.assert_allclose(crops, np.float32(-127.5 * 0.0078125), atol=1e-6)
    everything, _ = ops.crop(ops.integral_image(GRADIENT), box(-1e30, -1e30, 1e30, 1e30)[None], 24, "clip")
    np.testing.assert_array_equal(everything[0], ops.resize(ops.integral_image(GRADIENT), 24, 24))
