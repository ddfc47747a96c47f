"""`resize_pyramid` against numpy: every level equal to the last bit, in every order of blocks and threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.cuda_ops import resize, upload_image
from support.native_names import compares

CHECK = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def expected(image, levels):
    integral = numpy_steps.integral_image(image)
    return [numpy_steps.resize(integral, height, width) for height, width in levels]


def check(device, image, sizes, **layout):
    levels = resize(device, [upload_image(device, image, **layout)], [(0, *size) for size in sizes])
    for level, reference in zip(levels, expected(image, sizes), strict=True):
        np.testing.assert_array_equal(level, reference)


@compares("_cuda.Image", "_cuda.LevelShape", "_cuda.ResizePlan", "_cuda.resize_pyramid")
@CHECK
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    sizes=st.lists(st.tuples(st.integers(1, 80), st.integers(1, 80)), min_size=1, max_size=4),
    layout=st.sampled_from(["hwc", "chw"]),
    pitch=st.integers(0, 9),
    shift=st.integers(0, 15),
    seed=st.integers(0, 2**32),
)
@example(height=1, width=1, sizes=[(1, 1), (12, 12)], layout="hwc", pitch=0, shift=1, seed=0)
def test_equals_numpy(device, height, width, sizes, layout, pitch, shift, seed):
    device.seed(seed)
    check(device, picture(height, width, seed), sizes, layout=layout, pitch=pitch, shift=shift)


@pytest.mark.parametrize("height", [1, 13])
def test_4096_pixels_wide(device, height):
    check(device, picture(height, 4096), [(height, 4096), (1, 2458), (2, 37), (1, 1)])


def test_long_bins_are_summed_exactly(device):
    """White pixels: a sum in float32 would round above 2**24."""
    check(device, np.full((300, 400, 3), 255, np.uint8), [(1, 1), (1, 2), (2, 3), (12, 16)])


def test_batch_of_mixed_sizes_is_one_launch(device):
    images = [picture(37, 91, 1), picture(1, 1, 2), picture(64, 12, 3)]
    sizes = [[(23, 55), (12, 28)], [(1, 1)], [(40, 8), (7, 2), (1, 1)]]
    levels = [(i, *size) for i, of_image in enumerate(sizes) for size in of_image]
    pictures = [upload_image(device, image) for image in images]
    references = [level for image, of_image in zip(images, sizes, strict=True) for level in expected(image, of_image)]
    for level, reference in zip(resize(device, pictures, levels), references, strict=True):
        np.testing.assert_array_equal(level, reference)


def test_stripes_of_a_large_image_cover_every_row(device):
    """More than one stripe of the image, so that a level is made by several runs of blocks."""
    check(device, np.tile(picture(50, 97), (12, 12, 1)), [(61, 117), (13, 25)])


def test_half_precision_rounds_the_float32_result(device):
    image = picture(33, 47)
    sizes = [(20, 29), (3, 4)]
    levels = resize(device, [upload_image(device, image)], [(0, *size) for size in sizes], np.float16)
    for level, reference in zip(levels, expected(image, sizes), strict=True):
        np.testing.assert_array_equal(level, reference.astype(np.float16))


def test_nothing_to_do(device):
    assert resize(device, [], []) == []
    assert resize(device, [upload_image(device, picture(5, 5))], []) == []


@pytest.mark.parametrize(
    ("image", "level", "message"),
    [
        ((0, 1, 1, 1, 5, 5), (0, 2, 2), r"images\[0\] must not be a null pointer"),
        ((64, 1, 1, 1, 0, 5), (0, 2, 2), r"images\[0\] must have at least one pixel, got 0 x 5"),
        ((64, 1, 1, 1, 5, 5), (1, 2, 2), r"levels\[0\] must refer to one of the 1 images, got 1"),
        ((64, 1, 1, 1, 5, 5), (0, 2, 0), r"levels\[0\] must have a size of at least 1 x 1, got 2 x 0"),
    ],
)
def test_plan_refuses(device, image, level, message):
    with pytest.raises(ValueError, match=message):
        device.module.ResizePlan([device.module.Image(*image)], [device.module.LevelShape(*level)])


def test_arrays_are_checked(device):
    image = upload_image(device, picture(5, 5))
    plan = device.module.ResizePlan([image.entry], [device.module.LevelShape(0, 3, 3)])
    table = device.bytes(plan.table)
    with pytest.raises(
        ValueError, match=r"out must be a C-contiguous, writable array \(27,\) float32, got \(26,\) float32"
    ):
        device.module.resize_pyramid(plan, table, device.empty(26, np.float32), stream=0)
    with pytest.raises(ValueError, match="out must be float32 or float16, got float64"):
        device.module.resize_pyramid(plan, table, device.empty(27, np.float64), stream=0)
    with pytest.raises(ValueError, match=r"table must be .* uint8, got \(3,\) uint8"):
        device.module.resize_pyramid(plan, device.empty(3, np.uint8), device.empty(27, np.float32), stream=0)
