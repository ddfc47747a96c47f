"""`split_batch`: arrays of four dimensions become lists of views, other iterables pass through."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image, split_batch
from support.pictures import noise


def refused(images, match, layout="hwc"):
    with pytest.raises(ImageError, match=match) as caught:
        split_batch(images, layout)
    assert "accepted: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("shape", "layout"), [((4, 5, 7, 3), "hwc"), ((4, 3, 5, 7), "chw"), ((4, 5, 7, 1), "hwc")])
def test_arrays_are_split_into_views(shape, layout):
    batch = noise(*shape)
    images = split_batch(batch, layout)
    assert isinstance(images, list)
    assert len(images) == 4
    for image, expected in zip(images, batch, strict=True):
        assert np.shares_memory(image, batch)
        np.testing.assert_array_equal(image, expected)
        assert load_image(image, layout=layout).shape == (5, 7, 3)


def test_layout_is_channels_last_by_default():
    assert len(split_batch(noise(2, 5, 7, 3))) == 2


@pytest.mark.parametrize("shape", [(0, 5, 7, 3), (0, 0, 0, 3)])
def test_no_images(shape):
    assert split_batch(np.zeros(shape, np.uint8)) == []


@pytest.mark.torch
def test_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    batch = noise(4, 3, 5, 7)
    images = split_batch(torch.from_numpy(batch), "chw")
    assert len(images) == 4
    np.testing.assert_array_equal(np.stack(images), batch)
    assert all(np.shares_memory(image, batch) for image in images)
    refused(torch.zeros((4, 3, 5, 7), device="meta"), "on device meta")


def test_other_array_likes():
    class Wrapped:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **arguments):
            return self.array.__dlpack__(**arguments)

        def __dlpack_device__(self):
            return (1, 0)

    assert len(split_batch(Wrapped(noise(4, 5, 7, 3)))) == 4


def test_masked_pixels_have_no_value():
    refused(np.ma.array(noise(2, 2, 2, 3), mask=True), "24 masked values")


@pytest.mark.parametrize(
    "images",
    [[], ["a.jpg", noise(5, 7, 3)], (noise(5, 7, 3),), range(3), {"a.jpg", "b.jpg"}, {"a.jpg": 1}.keys()],
)
def test_iterables_pass_through(images):
    assert split_batch(images) is images


def test_iterators_are_not_consumed():
    images = (noise(5, 7, 3) for _ in range(3))
    assert split_batch(images) is images
    assert len(list(images)) == 3


@pytest.mark.parametrize(("shape", "layout"), [((5, 7, 3), "hwc"), ((3, 5, 7), "chw"), ((5, 7), "hwc")])
def test_a_single_array(shape, layout):
    text = refused(noise(*shape), "for a single image use detect()", layout)
    assert str(shape) in text
    assert f"layout={layout!r}" in text
    assert ("(N, H, W, C)" if layout == "hwc" else "(N, C, H, W)") in text


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 5, 7, 3)])
def test_other_numbers_of_dimensions(shape):
    assert "detect()" not in refused(np.zeros(shape, np.uint8), "images has shape")


@pytest.mark.parametrize(
    "image",
    [
        "face.jpg",
        Path("face.jpg"),
        b"\xff\xd8",
        bytearray(b"\xff\xd8"),
        io.BytesIO(b"\xff\xd8"),
        Image.new("RGB", (3, 2)),
    ],
)
def test_a_single_image_of_another_kind(image):
    refused(image, r"images is a single image \(.*\).*for a single image use detect\(\)")


@pytest.mark.parametrize("images", [None, 3, 2.5, object()])
def test_no_iterable(images):
    refused(images, f"images is of type {type(images).__name__}")


@pytest.mark.parametrize("layout", ["nhwc", "NCHW", None, ""])
def test_layout(layout):
    refused(noise(2, 5, 7, 3), f"layout is {layout!r}", layout)
