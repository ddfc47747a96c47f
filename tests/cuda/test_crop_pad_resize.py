"""`crop_pad_resize` against numpy: crops and flags equal to the last bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.cuda_ops import crop, upload_image
from support.native_names import compares

CHECK = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

coordinates = st.one_of(
    st.floats(-60, 120, width=32), st.integers(-40, 100).map(float), st.sampled_from([np.nan, np.inf, -np.inf])
)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def expected(images, boxes, index, size, border):
    crops = np.zeros((len(boxes), 3, size, size), np.float32)
    valid = np.zeros(len(boxes), np.bool_)
    for i, image in enumerate(images):
        mine = index == i
        crops[mine], valid[mine] = numpy_steps.crop(numpy_steps.integral_image(image), boxes[mine], size, border)
    return crops, valid


def check(device, images, boxes, index, size, border, **layout):
    pictures = [upload_image(device, image, **layout) for image in images]
    crops, valid = crop(device, pictures, boxes, index, size, border)
    reference, reference_valid = expected(images, boxes, index, size, border)
    np.testing.assert_array_equal(valid, reference_valid)
    np.testing.assert_array_equal(crops, reference)


@CHECK
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    boxes=st.lists(st.tuples(*[coordinates] * 4), min_size=1, max_size=6),
    size=st.sampled_from([1, 2, 7, 24, 48]),
    border=st.sampled_from(["zero", "clip"]),
    layout=st.sampled_from(["hwc", "chw"]),
    pitch=st.integers(0, 5),
    shift=st.integers(0, 15),
    seed=st.integers(0, 2**32),
)
def test_equals_numpy(device, height, width, boxes, size, border, layout, pitch, shift, seed):
    device.seed(seed)
    boxes = np.array(boxes, np.float32)
    index = np.zeros(len(boxes), np.int32)
    check(device, [picture(height, width, seed)], boxes, index, size, border, layout=layout, pitch=pitch, shift=shift)


@compares("_cuda.crop_pad_resize")
@pytest.mark.parametrize("border", ["zero", "clip"])
@pytest.mark.parametrize("size", [24, 48, 256])
def test_boxes_around_every_side(device, size, border):
    boxes = np.array(
        [
            [10, 10, 40, 40],
            [-20, 5, 12, 37],
            [30, -15, 62, 17],
            [50, 20, 90, 60],
            [10, 40, 30, 90],
            [-100, -100, 200, 180],
            [1, 1, 64, 48],
            [64, 48, 64, 48],
        ],
        np.float32,
    )
    check(device, [picture(48, 64)], boxes, np.zeros(len(boxes), np.int32), size, border)


def test_large_boxes_are_summed_by_warps(device):
    boxes = np.array([[1, 1, 300, 200], [-150, -90, 500, 560], [20, 30, 290, 180]], np.float32)
    check(device, [picture(200, 300)], boxes, np.zeros(3, np.int32), 24, "zero", pitch=7)


def test_wide_image(device):
    boxes = np.array([[4000, -3, 4096, 20], [1, 1, 4096, 8], [4090, 2, 4200, 6]], np.float32)
    check(device, [picture(8, 4096)], boxes, np.zeros(3, np.int32), 24, "zero")


def test_several_images(device):
    rng = np.random.default_rng(5)
    images = [picture(30, 40, 1), picture(1, 1, 2), picture(55, 21, 3)]
    boxes = rng.uniform(-10, 40, (12, 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(0, 40, (12, 2)).astype(np.float32)
    check(device, images, boxes, rng.integers(0, 3, 12).astype(np.int32), 24, "zero")


def test_half_precision_rounds_the_float32_result(device):
    image, boxes, index = picture(40, 40), np.array([[3, 4, 30, 31]], np.float32), np.zeros(1, np.int32)
    crops, _ = crop(device, [upload_image(device, image)], boxes, index, 24, "zero", np.float16)
    np.testing.assert_array_equal(crops, expected([image], boxes, index, 24, "zero")[0].astype(np.float16))


def test_boxes_beyond_the_count_or_of_no_image_are_invalid(device):
    boxes = np.tile(np.array([3, 4, 30, 31], np.float32), (4, 1))
    crops, valid = crop(
        device, [upload_image(device, picture(40, 40))], boxes, np.array([0, -1, 1, 0], np.int32), 24, "zero", count=3
    )
    np.testing.assert_array_equal(valid, [True, False, False, False])
    assert crops[0].any()
    assert not crops[1:].any()


def test_no_boxes(device):
    crops, valid = crop(
        device, [upload_image(device, picture(4, 4))], np.empty((0, 4), np.float32), np.empty(0, np.int32), 24, "zero"
    )
    assert crops.shape == (0, 3, 24, 24)
    assert valid.shape == (0,)


def test_size_is_checked(device):
    with pytest.raises(ValueError, match="size must be from 1 to 256, got 257"):
        crop(
            device,
            [upload_image(device, picture(4, 4))],
            np.ones((1, 4), np.float32),
            np.zeros(1, np.int32),
            257,
            "zero",
        )
