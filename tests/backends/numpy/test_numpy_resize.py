"""Area averages: the exact sum of each bin, one rounding a step, and the same bits however they are come by."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from mtcnn_fast.backends.numpy import steps as ops

pytestmark = pytest.mark.property

images = st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape))


def average(pixels: np.ndarray, area: int) -> np.float32:
    """Average and normalise as written: exact integer sum, then float32 operations one by one."""
    total = np.float32(int(pixels.sum(dtype=np.int64)))
    return (total * (np.float32(1) / np.float32(area)) - np.float32(127.5)) * np.float32(0.0078125)


@given(images)
def test_integral_images_sum_what_is_above_and_left(image):
    integral = ops.integral_image(image)
    height, width, _ = image.shape
    assert integral.shape == (3, height + 1, width + 1)
    for y, x in [(0, 0), (0, width), (height, 0), (height, width), (height // 2, width // 3)]:
        np.testing.assert_array_equal(integral[:, y, x], image[:y, :x].sum(axis=(0, 1), dtype=np.int64))


@given(images, st.integers(1, 45), st.integers(1, 45))
def test_resize_is_the_rounded_average_of_each_bin(image, height, width):
    resized = ops.resize(ops.integral_image(image), height, width)
    assert resized.shape == (3, height, width)
    assert resized.dtype == np.float32
    for i in range(height):
        top, bottom = i * image.shape[0] // height, -(-(i + 1) * image.shape[0] // height)
        for j in range(width):
            left, right = j * image.shape[1] // width, -(-(j + 1) * image.shape[1] // width)
            for channel in range(3):
                pixels = image[top:bottom, left:right, channel]
                assert resized[channel, i, j] == average(pixels, pixels.size)


@given(images)
def test_resize_to_the_same_size_only_normalises(image):
    resized = ops.resize(ops.integral_image(image), *image.shape[:2])
    expected = (image.astype(np.float32) - np.float32(127.5)) * np.float32(0.0078125)
    np.testing.assert_array_equal(resized, expected.transpose(2, 0, 1))


@given(st.integers(1, 2**24 - 1), st.data())
def test_averages_are_within_two_roundings_of_the_exact_value(area, data):
    total = data.draw(st.integers(0, 255 * area))
    value = Fraction(float(ops.normalise(np.array([total]), np.array([area]))[0]))
    exact = (Fraction(total, area) - Fraction(255, 2)) / 128
    assert abs(value - exact) <= Fraction(1, 2**20)


def test_white_images_of_many_pixels_do_not_overflow():
    """The sum of a bin of 5,000 x 4,000 white pixels needs 33 bits."""
    image = np.full((4000, 5000, 3), 255, np.uint8)
    integral = ops.integral_image(image)
    assert integral.dtype == np.uint64
    assert integral[0, -1, -1] == 255 * 4000 * 5000
    np.testing.assert_allclose(ops.resize(integral, 1, 1), 127.5 * 0.0078125, rtol=1e-6)
