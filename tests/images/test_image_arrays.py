"""`load_image` on arrays: shapes, layouts, colors, types, memory and arguments."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from mtcnn_fast.errors import MtcnnFastError
from mtcnn_fast.images import load_image
from support.pictures import check, noise, refused


def rounded(value):
    """The nearest integer to a fraction, ties to even, in exact arithmetic."""
    return round(Fraction(value))


class TestShapes:
    def test_gray_becomes_three_equal_planes(self):
        gray = noise(5, 7)
        check(load_image(gray), np.stack([gray] * 3, axis=2))

    @pytest.mark.parametrize(("layout", "axis"), [("hwc", 2), ("chw", 0)])
    def test_gray_with_a_channel_axis(self, layout, axis):
        gray = noise(5, 7)
        check(load_image(np.expand_dims(gray, axis), layout=layout), np.stack([gray] * 3, axis=2))

    def test_gray_without_a_channel_axis_has_no_layout(self):
        gray = noise(5, 7)
        check(load_image(gray, layout="chw"), load_image(gray))

    def test_rgb(self):
        image = noise(5, 7, 3)
        check(load_image(image), image)

    def test_rgb_channels_first(self):
        image = noise(3, 5, 7)
        check(load_image(image, layout="chw"), np.moveaxis(image, 0, 2))

    def test_rgba_is_composited_on_black_exactly(self):
        color, alpha = np.meshgrid(np.arange(256), np.arange(256))
        planes = np.stack([color, 255 - color, color // 2], axis=2)
        # The nearest integer to planes * alpha / 255, as floor(x + 1/2).
        expected = (2 * planes * alpha[:, :, None] + 255) // 510
        check(load_image(np.dstack([planes, alpha]).astype(np.uint8)), expected)

    def test_rgba_channels_first(self):
        image = noise(5, 7, 4)
        check(load_image(np.moveaxis(image, 2, 0), layout="chw"), load_image(image))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 1, 3), (1, 1, 4), (1, 20000, 3), (20000, 1, 3), (2, 3)])
    def test_extreme_shapes(self, shape):
        image = noise(*shape)
        result = load_image(image)
        assert result.shape == (*shape[:2], 3)
        if shape[2:] == (3,):
            check(result, image)

    @pytest.mark.parametrize("layout", ["hwc", "chw"])
    @pytest.mark.parametrize("shape", [(3, 4, 3), (1, 3, 4), (4, 4, 4), (3, 3, 3), (1, 1, 1)])
    def test_layout_alone_decides_where_both_readings_are_possible(self, shape, layout):
        image = noise(*shape)
        expected = shape[:2] if layout == "hwc" else shape[1:]
        assert load_image(image, layout=layout).shape == (*expected, 3)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_channels_first_by_mistake_is_told_so(self, channels):
        text = refused(noise(channels, 48, 64), "pass layout='chw'")
        assert f"({channels}, 48, 64)" in text
        assert "64 channels" in text

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_channels_last_by_mistake_is_told_so(self, channels):
        text = refused(noise(48, 64, channels), "pass layout='hwc'", layout="chw")
        assert "48 channels" in text

    @pytest.mark.parametrize("shape", [(48, 64, 2), (48, 64, 5), (48, 64, 0), (2, 48, 64)])
    def test_other_numbers_of_channels(self, shape):
        text = refused(noise(*shape), "channels; accepted: ")
        assert str(shape) in text
        assert "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)" in text
        assert "pass layout" not in text

    @pytest.mark.parametrize(
        ("shape", "hint"),
        [
            ((2, 5, 7, 3), "for a batch use detect_batch()"),
            ((9,), "to decode the bytes of a file"),
            ((), ""),
            ((1,) * 5, ""),
        ],
    )
    def test_other_numbers_of_dimensions(self, shape, hint):
        text = refused(np.zeros(shape, np.uint8), "image has shape")
        assert str(shape) in text
        assert hint in text

    @pytest.mark.parametrize("shape", [(0, 0), (0, 7), (5, 0), (0, 7, 3), (5, 0, 3), (0, 0, 4)])
    def test_no_pixels(self, shape):
        text = refused(np.zeros(shape, np.uint8), "no pixels")
        assert f"width {shape[1]}, height {shape[0]}" in text

    def test_no_pixels_channels_first(self):
        refused(np.zeros((3, 0, 7), np.uint8), "width 7, height 0", layout="chw")


class TestColor:
    def test_bgr(self):
        image = noise(5, 7, 3)
        check(load_image(image, color="bgr"), image[:, :, ::-1])

    def test_bgr_channels_first(self):
        image = noise(3, 5, 7)
        check(load_image(image, color="bgr", layout="chw"), np.moveaxis(image[::-1], 0, 2))

    def test_bgra(self):
        image = noise(5, 7, 4)
        check(load_image(image[:, :, [2, 1, 0, 3]], color="bgr"), load_image(image))

    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
    def test_means_nothing_for_gray(self, shape):
        image = noise(*shape)
        check(load_image(image, color="bgr"), load_image(image))

    def test_bgr_float(self):
        image = noise(5, 7, 3)
        floats = (image / 255).astype(np.float32)
        check(load_image(floats, color="bgr", value_range=(0, 1)), image[:, :, ::-1])


class TestTypes:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_16_bit_values_are_divided_by_257_exactly(self, order):
        values = np.arange(65536, dtype=np.uint16).astype(f"{order}u2").reshape(256, 256)
        expected = np.array([rounded(Fraction(v, 257)) for v in range(65536)]).reshape(256, 256, 1)
        check(load_image(values), np.repeat(expected, 3, axis=2))

    def test_8_bit_values_survive_16_bits(self):
        image = noise(5, 7, 3)
        check(load_image(image.astype(np.uint16) * 257), image)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])
    @pytest.mark.parametrize("top", [1, 255])
    def test_8_bit_values_survive_floats(self, dtype, top):
        values = np.arange(256).reshape(16, 16)
        floats = (values / 255 * top).astype(dtype)
        check(load_image(floats, value_range=(0, top)), np.repeat(values[:, :, None], 3, axis=2))

    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_floats_are_rounded_to_the_nearest(self, dtype):
        values = np.random.default_rng(1).random((40, 50)).astype(dtype)
        expected = np.array([[rounded(Fraction(float(v)) * 255) for v in row] for row in values])
        check(load_image(values, value_range=(0, 1)), np.repeat(expected[:, :, None], 3, axis=2))

    def test_ties_go_to_the_even_value(self):
        image = np.array([[0.5, 1.5, 2.5, 253.5, 254.5]], np.float32)
        assert load_image(image, value_range=(0, 255))[0, :, 0].tolist() == [0, 2, 2, 254, 254]

    def test_float_rgba_is_composited_after_conversion(self):
        image = noise(5, 7, 4)
        check(load_image(image.astype(np.float64), value_range=(0, 255)), load_image(image))

    @pytest.mark.parametrize("value_range", [(0, 1), [0, 1], (0.0, 1.0), (np.float32(0), np.int64(1))])
    def test_spellings_of_a_range(self, value_range):
        assert load_image(np.ones((2, 2)), value_range=value_range).min() == 255

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_floats_need_a_stated_range(self, dtype):
        text = refused(np.ones((5, 7, 3), dtype), "value_range was not given")
        assert np.dtype(dtype).name in text
        assert "value_range=(0, 1) or value_range=(0, 255)" in text

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_floats_must_be_finite(self, bad, dtype):
        image = np.full((5, 7, 3), 0.5, dtype)
        image[2, 3, 1] = bad
        refused(image, "not finite", value_range=(0, 1))

    @pytest.mark.parametrize(("top", "bad"), [(1, 1.001), (1, -0.001), (255, 255.01), (255, -1), (1, 200)])
    def test_floats_must_be_in_range(self, top, bad):
        image = np.full((5, 7, 3), 0.5, np.float32)
        image[4, 6, 2] = bad
        text = refused(image, "has values from", value_range=(0, top))
        assert f"{bad:g}" in text
        assert f"from 0 to {top}" in text

    def test_floats_in_the_other_range_are_not_guessed(self):
        assert load_image(np.ones((2, 2)), value_range=(0, 255)).max() == 1

    def test_true_range_of_8_bits_may_be_stated(self):
        image = noise(5, 7, 3)
        check(load_image(image, value_range=(0, 255)), image)

    def test_false_range_of_8_bits(self):
        refused(noise(5, 7, 3), "8-bit values range from 0 to 255", value_range=(0, 1))

    @pytest.mark.parametrize("value_range", [(0, 1), (0, 255)])
    def test_range_of_16_bits_is_fixed(self, value_range):
        refused(noise(5, 7, dtype=np.uint16), "16-bit values range from 0 to 65535", value_range=value_range)

    @pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
    def test_other_integers(self, dtype):
        text = refused(noise(5, 7, 3, dtype=dtype), f"dtype {np.dtype(dtype)}")
        assert "astype('uint8')" in text

    def test_bool(self):
        refused(noise(5, 7) > 128, r"dtype bool.*astype\('uint8'\) \* 255")

    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128, object, "U3", "S3", "datetime64[s]", "V2", "u1,u1"])
    def test_no_numbers(self, dtype):
        refused(np.zeros((5, 7), dtype), "dtype .*uint8, uint16", value_range=(0, 1))

    @pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="long double is float64 on this platform")
    def test_long_double(self):
        refused(np.zeros((5, 7), np.longdouble), "float64", value_range=(0, 1))


class TestMemory:
    def test_a_finished_image_is_not_copied(self):
        image = noise(5, 7, 3)
        assert load_image(image) is image

    def test_a_read_only_image_is_not_copied(self):
        image = noise(5, 7, 3)
        image.flags.writeable = False
        assert np.shares_memory(load_image(image), image)

    def test_channels_first_over_interleaved_memory_is_not_copied(self):
        image = noise(5, 7, 3)
        assert np.shares_memory(load_image(image.transpose(2, 0, 1), layout="chw"), image)

    def test_100_megapixels_are_not_copied(self):
        image = np.zeros((10_000, 10_000, 3), np.uint8)
        tracemalloc.start()
        try:
            result = load_image(image)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert np.shares_memory(result, image)
        assert peak < 1_000_000

    @pytest.mark.parametrize(
        ("dtype", "channels", "value_range"),
        [
            (np.uint16, 3, None),
            (np.float32, 4, (0, 1)),
            (np.float64, 3, (0, 1)),
            (np.uint8, 4, None),
            (np.uint8, 1, None),
        ],
    )
    def test_conversion_needs_little_more_than_its_result(self, dtype, channels, value_range):
        image = np.zeros((2000, 2000, channels), dtype)
        tracemalloc.start()
        try:
            result = load_image(image, value_range=value_range)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < result.nbytes + 8_000_000

    @pytest.mark.parametrize(
        "view",
        [
            lambda image: image[::-1],
            lambda image: image[:, ::-1],
            lambda image: image[::-1, ::-1, ::-1],
            lambda image: image[::2, 1::3],
            lambda image: image[3:20, 5:30],
            lambda image: image.swapaxes(0, 1),
            np.asfortranarray,
        ],
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_strides(self, view, dtype):
        image = view(noise(40, 60, 3, dtype=dtype) * dtype(1 if dtype == np.uint8 else 257))
        assert not image.flags.c_contiguous
        expected = np.ascontiguousarray(image) // dtype(1 if dtype == np.uint8 else 257)
        check(load_image(image), expected)

    def test_strides_of_zero(self):
        image = np.broadcast_to(np.array([10, 20, 30], np.uint8), (5, 7, 3))
        check(load_image(image), image)

    def test_unaligned(self):
        image = (
            np.frombuffer(b"\0" + noise(5, 7, dtype=np.uint16).tobytes(), np.uint8)[1:].view(np.uint16).reshape(5, 7)
        )
        assert not image.flags.aligned
        check(load_image(image), load_image(image.copy()))

    def test_the_input_is_not_changed(self):
        for image, value_range in [(noise(5, 7, 4), None), (np.random.default_rng(0).random((5, 7, 3)), (0, 1))]:
            before = image.copy()
            load_image(image, color="bgr", value_range=value_range)
            np.testing.assert_array_equal(image, before)

    def test_images_of_many_blocks(self):
        image = noise(700, 500, 3)
        check(load_image(image, color="bgr"), image[:, :, ::-1])
        check(load_image(image.astype(np.uint16) * 257), image)


class TestArguments:
    @pytest.mark.parametrize("color", ["RGB", "gray", "", None, 1, ["rgb"]])
    def test_color(self, color):
        refused(noise(5, 7, 3), f"color is {color!r}".replace("[", r"\["), color=color)

    @pytest.mark.parametrize("layout", ["HWC", "nhwc", "", None, 0, ["hwc"]])
    def test_layout(self, layout):
        refused(noise(5, 7, 3), f"layout is {layout!r}".replace("[", r"\["), layout=layout)

    @pytest.mark.parametrize(
        "value_range",
        [
            "0-1",
            "01",
            (0, 2),
            (1, 0),
            (0,),
            (0, 1, 2),
            (-1, 1),
            1,
            255,
            (0, "1"),
            {0, 1},
            (0, [1]),
            (np.arange(2), 1),
            np.ones(2),
        ],
    )
    def test_value_range(self, value_range):
        text = refused(noise(5, 7, 3), "value_range is ", value_range=value_range)
        assert "(0, 1), (0, 255) or None" in text

    @pytest.mark.parametrize("max_pixels", [0, -1, 1.5, "9", None, True, float("inf")])
    def test_max_pixels(self, max_pixels):
        text = refused(noise(5, 7, 3), "max_pixels is ", max_pixels=max_pixels)
        assert repr(max_pixels) in text

    def test_max_pixels_of_numpy(self):
        assert load_image(noise(5, 7, 3), max_pixels=np.int32(35)).shape == (5, 7, 3)

    def test_the_error_is_also_a_value_error(self):
        with pytest.raises(ValueError, match="no pixels") as caught:
            load_image(np.zeros((0, 0), np.uint8))
        assert isinstance(caught.value, MtcnnFastError)
