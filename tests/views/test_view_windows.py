"""Cutting and shrinking images before they are searched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtcnn_fast import ImageError
from mtcnn_fast.views import windows as module
from mtcnn_fast.views.settings import Views
from mtcnn_fast.views.windows import cut_window, reduced, shrunk

SIDES = st.integers(1, 40)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(SIDES, SIDES, st.integers(1, 9), st.integers(1, 400))
def test_reduced_averages_squares(width: int, height: int, factor: int, strip: int) -> None:
    image = noise(width, height)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STRIP_PIXELS", strip)
        small = reduced(image, factor)
    assert small.shape == (-(-height // factor), -(-width // factor), 3)
    for row in range(small.shape[0]):
        for column in range(small.shape[1]):
            square = image[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            np.testing.assert_allclose(small[row, column], square.mean(axis=(0, 1)), atol=1)


def test_shrunk_is_what_pillow_does() -> None:
    image = noise(300, 200)
    np.testing.assert_array_equal(shrunk(image, (300, 200)), image)
    expected = Image.fromarray(image).resize((120, 80), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(shrunk(image, (120, 80)), np.asarray(expected))
    expected = Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR, reducing_gap=2.0)
    np.testing.assert_allclose(shrunk(image, (30, 20)), np.asarray(expected), atol=1)


def test_window_of_a_region() -> None:
    image = noise(60, 40)
    window = cut_window(image, (60, 40), Views(roi=(-5, 10.5, 20.2, 99)))
    np.testing.assert_array_equal(window.pixels, image[10:, :21])
    assert window.pixels.flags.c_contiguous
    assert (window.origin, window.scale, window.size) == ((0, 10), (1, 1), (60, 40))
    with pytest.raises(ImageError, match=r"^image must have a pixel within roi=\(60, 0, 70, 9\), and has 60 x 40 pix"):
        cut_window(image, (60, 40), Views(roi=(60, 0, 70, 9)))


def test_window_of_a_shrunk_region() -> None:
    window = cut_window(noise(60, 40), (60, 40), Views(roi=(10, 0, 60, 40), max_side=25))
    assert window.pixels.shape == (20, 25, 3)
    assert window.scale == (2, 2)
    corner = window.to_image(np.array([[0.0, 0.0], [25.0, 20.0]]))
    np.testing.assert_array_equal(corner, [[10, 0], [60, 40]])


def test_small_images_are_not_enlarged() -> None:
    image = noise(60, 40)
    assert cut_window(image, (60, 40), Views(max_side=60)).pixels is image
