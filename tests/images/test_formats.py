"""`load_image` on formats, on the modes of PIL images, and on images that have to be turned upright."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtcnn_fast.images import load_image
from support.pictures import chunk, encode, exif, noise, png, refused

ORIENTATION = 0x0112

# Where the stored row 0 and column 0 lie in the upright image, from the table of the orientation tag in EXIF 2.32,
# section 4.6.4: the stored pixel (r, c) of an upright image u of h x w.
STORED = {
    1: lambda u, h, w, r, c: u[r, c],  # top, left
    2: lambda u, h, w, r, c: u[r, w - 1 - c],  # top, right
    3: lambda u, h, w, r, c: u[h - 1 - r, w - 1 - c],  # bottom, right
    4: lambda u, h, w, r, c: u[h - 1 - r, c],  # bottom, left
    5: lambda u, h, w, r, c: u[c, r],  # left, top
    6: lambda u, h, w, r, c: u[c, w - 1 - r],  # right, top
    7: lambda u, h, w, r, c: u[h - 1 - c, w - 1 - r],  # right, bottom
    8: lambda u, h, w, r, c: u[h - 1 - c, r],  # left, bottom
}


def patches(rows, columns, size=16):
    """An image of flat patches, which lossy formats reproduce to a few units away from their edges."""
    return np.kron(noise(rows, columns, 3), np.ones((size, size, 1), np.uint8))


def store(upright, orientation):
    height, width = upright.shape[:2]
    rows, columns = (height, width) if orientation < 5 else (width, height)
    pixel = STORED[orientation]
    return np.array([[pixel(upright, height, width, r, c) for c in range(columns)] for r in range(rows)], upright.dtype)


class TestFormats:
    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("PNG", {}),
            ("BMP", {}),
            ("PPM", {}),
            ("TGA", {}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "tiff_adobe_deflate"}),
            ("WEBP", {"lossless": True}),
        ],
    )
    def test_lossless(self, kind, options):
        image = noise(13, 11, 3)
        np.testing.assert_array_equal(load_image(encode(image, kind, **options)), image)

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "MPO"])
    def test_lossy(self, kind, options):
        image = patches(3, 4)
        result = load_image(encode(image, kind, quality=95, **options)).astype(int)
        centers = slice(8, None, 16)
        assert abs(result[centers, centers] - image[centers, centers]).max() <= 6

    def test_gray_jpeg(self):
        result = load_image(encode(patches(3, 4)[:, :, 0], "JPEG", quality=95))
        assert result.shape == (48, 64, 3)
        assert (result == result[:, :, :1]).all()

    def test_cmyk_jpeg(self):
        colors = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 128, 255]]], np.uint8)
        image = np.kron(colors, np.ones((16, 16, 1), np.uint8))
        result = load_image(encode(Image.fromarray(image).convert("CMYK"), "JPEG", quality=98)).astype(int)
        assert abs(result[8, 8::16] - colors[0]).max() <= 3

    @pytest.mark.parametrize(
        ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]
    )
    def test_animations_give_their_first_frame(self, kind, options):
        frames = [Image.new("RGB", (9, 5), color) for color in [(200, 0, 0), (0, 200, 0), (0, 0, 200)]]
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(load_image(data), np.full((5, 9, 3), (200, 0, 0)))

    def test_pil_images_give_their_current_frame(self):
        frames = [Image.new("RGB", (9, 5), color) for color in [(200, 0, 0), (0, 200, 0)]]
        with Image.open(io.BytesIO(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as image:
            image.seek(1)
            np.testing.assert_array_equal(load_image(image), np.full((5, 9, 3), (0, 200, 0)))

    def test_a_gif_frame_that_covers_a_part(self):
        frames = [Image.new("RGB", (9, 5), "red"), Image.new("RGB", (9, 5), "red")]
        frames[1].putpixel((4, 2), (0, 0, 255))
        data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)
        np.testing.assert_array_equal(load_image(data), np.full((5, 9, 3), (255, 0, 0)))

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
    def test_alpha_is_composited_on_black(self, kind):
        image = noise(13, 11, 4)
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        np.testing.assert_array_equal(load_image(encode(image, kind, **options)), load_image(image))

    def test_transparent_gif(self):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        data = encode(image, "GIF", transparency=0)
        assert load_image(data).tolist() == [[[0, 0, 0], [40, 50, 60]]]

    @pytest.mark.parametrize("depth", [1, 2, 4, 8])
    def test_gray_png_of_few_bits(self, depth):
        levels = 2**depth
        rows = [bytes([value << (8 - depth)]) for value in range(levels)]
        expected = [round(value * 255 / (levels - 1)) for value in range(levels)]
        assert load_image(png(1, levels, depth, 0, rows))[:, 0].tolist() == [[value] * 3 for value in expected]

    def test_palette_png_with_alpha(self):
        palette = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60])) + chunk(b"tRNS", bytes([128, 255]))
        assert load_image(png(2, 1, 8, 3, [b"\0\1"], palette)).tolist() == [[[5, 10, 15], [40, 50, 60]]]

    def test_gray_png_with_a_transparent_value(self):
        data = png(2, 1, 8, 0, [bytes([100, 200])], chunk(b"tRNS", struct.pack(">H", 100)))
        assert load_image(data)[0, :, 0].tolist() == [0, 200]

    def test_color_png_with_a_transparent_value(self):
        data = png(2, 1, 8, 2, [bytes([1, 2, 3, 4, 5, 6])], chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
        assert load_image(data).tolist() == [[[0, 0, 0], [4, 5, 6]]]

    def test_16_bit_gray_png_is_rounded(self):
        values = np.arange(0, 65536, 37, dtype=np.uint16).reshape(4, -1)
        data = png(values.shape[1], 4, 16, 0, [row.astype(">u2").tobytes() for row in values])
        np.testing.assert_array_equal(load_image(data), load_image(values))

    def test_16_bit_gray_png_with_a_transparent_value(self):
        values = np.array([[1000, 40000]], ">u2")
        data = png(2, 1, 16, 0, [values.tobytes()], chunk(b"tRNS", struct.pack(">H", 40000)))
        assert load_image(data)[0, :, 0].tolist() == [round(1000 / 257), 0]

    @pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
    def test_16_bit_color_png_is_reduced_to_its_upper_bits(self, color_type, channels):
        values = np.random.default_rng(0).integers(0, 65536, (3, 5, channels)).astype(">u2")
        upper = (values >> 8).astype(np.uint8)
        expected = upper if channels != 2 else upper[:, :, [0, 0, 0, 1]]
        data = png(5, 3, 16, color_type, [row.tobytes() for row in values])
        np.testing.assert_array_equal(load_image(data), load_image(expected))

    @pytest.mark.parametrize("maximum", [65535, 1023])
    def test_16_bit_pgm(self, maximum):
        values = np.linspace(0, maximum, 12).astype(np.uint16).reshape(3, 4)
        data = b"P5 4 3 %d\n" % maximum + values.astype(">u2").tobytes()
        expected = np.rint(values * (65535 / maximum) / 257)
        np.testing.assert_array_equal(load_image(data)[:, :, 0], expected)

    @pytest.mark.parametrize("mode", ["I;16", "I;16B"])
    def test_16_bit_tiff(self, mode):
        values = np.arange(0, 65536, 5000, dtype=np.uint16).reshape(2, 7)
        image = Image.frombytes(mode, (7, 2), values.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
        np.testing.assert_array_equal(load_image(encode(image, "TIFF")), load_image(values))

    def test_32_bit_tiff_has_no_known_range(self, tmp_path):
        (tmp_path / "image.tif").write_bytes(encode(np.arange(6, dtype=np.int32).reshape(2, 3), "TIFF"))
        text = refused(tmp_path / "image.tif", "mode I .32-bit integers., whose range is not known")
        assert "image.tif" in text
        assert "image.convert('I;16')" in text

    def test_float_tiff(self):
        values = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
        data = encode(values, "TIFF")
        np.testing.assert_array_equal(load_image(data, value_range=(0, 1)), load_image(values, value_range=(0, 1)))
        refused(data, "value_range was not given for the encoded image")
        refused(encode(values * 2, "TIFF"), "encoded image .* has values from 0 to 2", value_range=(0, 1))

    def test_value_range_of_8_bit_files(self):
        image = noise(5, 7, 3)
        np.testing.assert_array_equal(load_image(encode(image, "PNG"), value_range=(0, 255)), image)
        refused(encode(image, "PNG"), "8-bit values", value_range=(0, 1))


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "color", "expected"),
        [
            ("1", 1, (255, 255, 255)),
            ("1", 0, (0, 0, 0)),
            ("L", 77, (77, 77, 77)),
            ("LA", (200, 51), (40, 40, 40)),
            ("La", (40, 51), (40, 40, 40)),
            ("RGB", (10, 20, 30), (10, 20, 30)),
            ("RGBX", (10, 20, 30, 0), (10, 20, 30)),
            ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
            ("RGBA", (100, 200, 50, 51), (20, 40, 10)),
            ("RGBa", (20, 40, 10, 51), (20, 40, 10)),
            ("CMYK", (0, 0, 0, 0), (255, 255, 255)),
            ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
            ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
            ("YCbCr", (90, 128, 128), (90, 90, 90)),
            ("HSV", (0, 255, 200), (200, 0, 0)),
            ("I;16", 51400, (200, 200, 200)),
            ("I;16L", 51400, (200, 200, 200)),
            ("I;16B", 51400, (200, 200, 200)),
        ],
    )
    def test_modes(self, mode, color, expected):
        result = load_image(Image.new(mode, (3, 2), color))
        np.testing.assert_array_equal(result, np.full((2, 3, 3), expected))

    def test_every_mode_works_or_is_refused(self):
        for mode in Image.MODES:
            if mode == "I":
                text = refused(Image.new(mode, (3, 2)), "PIL image has mode I")
                assert "mode L for values of 0-255" in text
            elif mode == "F":
                refused(Image.new(mode, (3, 2)), "value_range was not given for the PIL image, which has dtype float32")
                assert load_image(Image.new(mode, (3, 2), 1), value_range=(0, 1)).min() == 255
            else:
                assert load_image(Image.new(mode, (3, 2))).shape == (2, 3, 3)

    def test_lab(self):
        image = Image.new("RGB", (3, 2), (200, 100, 50))
        assert abs(load_image(image.convert("LAB")).astype(int) - (200, 100, 50)).max() <= 2

    def test_palette(self):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        assert load_image(image).tolist() == [[[10, 20, 30], [40, 50, 60]]]
        image.info["transparency"] = 0
        assert load_image(image).tolist() == [[[0, 0, 0], [40, 50, 60]]]
        image.info["transparency"] = bytes([255, 51])
        assert load_image(image).tolist() == [[[10, 20, 30], [8, 10, 12]]]

    def test_palette_with_alpha(self):
        image = Image.new("P", (2, 1))
        image.putpalette([100, 200, 50, 51, 40, 50, 60, 255], "RGBA")
        image.putpixel((1, 0), 1)
        assert load_image(image).tolist() == [[[20, 40, 10], [40, 50, 60]]]

    def test_palette_and_alpha(self):
        image = Image.new("PA", (2, 1))
        image.putpalette([100, 200, 50, 40, 50, 60])
        image.putpixel((0, 0), (0, 51))
        image.putpixel((1, 0), (1, 255))
        assert load_image(image).tolist() == [[[20, 40, 10], [40, 50, 60]]]

    def test_the_image_is_not_changed(self):
        image = Image.fromarray(noise(5, 7, 4))
        image.getexif()[ORIENTATION] = 6
        before = image.copy()
        load_image(image)
        assert image == before
        assert image.getexif()[ORIENTATION] == 6

    def test_lazy_image_is_loaded(self):
        image = noise(5, 7, 3)
        np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(encode(image, "PNG")))), image)

    def test_closed_image(self):
        image = Image.open(io.BytesIO(encode(noise(5, 7, 3), "PNG")))
        image.close()
        refused(image, "PIL image cannot be decoded")

    def test_truncated_lazy_image(self):
        refused(
            Image.open(io.BytesIO(encode(noise(50, 70, 3), "PNG")[:5000])), "PIL image cannot be decoded.*truncated"
        )

    @pytest.mark.parametrize("size", [(0, 0), (0, 5), (7, 0)])
    def test_no_pixels(self, size):
        refused(Image.new("RGB", size), f"PIL image has no pixels .width {size[0]}, height {size[1]}")


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
    def test_files_are_turned_upright(self, kind, orientation):
        upright = noise(5, 7, 3)
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(store(upright, orientation), kind, exif=exif(orientation), **options)
        np.testing.assert_array_equal(load_image(data), upright)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_jpeg(self, orientation):
        upright = patches(2, 3)
        result = load_image(encode(store(upright, orientation), "JPEG", quality=95, exif=exif(orientation)))
        assert result.shape == upright.shape
        assert result.flags.c_contiguous
        centers = slice(8, None, 16)
        assert abs(result[centers, centers].astype(int) - upright[centers, centers]).max() <= 6

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 4)])
    def test_pil_images_are_turned_upright(self, shape, orientation):
        upright = noise(*shape)
        image = Image.fromarray(store(upright, orientation))
        image.getexif()[ORIENTATION] = orientation
        np.testing.assert_array_equal(load_image(image), load_image(upright))
        np.testing.assert_array_equal(load_image(ImageOps.exif_transpose(image)), load_image(upright))

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_16_bit(self, orientation):
        upright = noise(5, 7).astype(np.uint16) * 257
        image = Image.fromarray(store(upright, orientation))
        image.getexif()[ORIENTATION] = orientation
        np.testing.assert_array_equal(load_image(image), load_image(upright))

    def test_lazy_tiff_is_turned_once(self):
        upright = noise(5, 7, 3)
        image = Image.open(io.BytesIO(encode(store(upright, 6), "TIFF", exif=exif(6))))
        np.testing.assert_array_equal(load_image(image), upright)
        np.testing.assert_array_equal(load_image(image), upright)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_unknown_orientation_means_upright(self, value):
        image = noise(5, 7, 3)
        np.testing.assert_array_equal(load_image(encode(image, "PNG", exif=exif(value))), image)

    @pytest.mark.parametrize(
        "data", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0", b"Exif\0\0II*\0\xff\xff\xff\xff"]
    )
    def test_damaged_metadata_mean_upright(self, data):
        image = Image.fromarray(noise(5, 7, 3))
        image.info["exif"] = data
        np.testing.assert_array_equal(load_image(image), np.asarray(image))
