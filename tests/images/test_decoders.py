"""Other formats in their variants: the right pixels within a stated tolerance, or a refusal in words."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, features

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image
from support.data import PHOTO
from support.pictures import encode, refused

COLOR = np.asarray(Image.open(PHOTO).convert("RGB").crop((180, 40, 264, 104)))
GRAY = np.asarray(Image.fromarray(COLOR).convert("L"))
HEIGHT, WIDTH = GRAY.shape


def off_by(result, expected):
    """The mean difference of two images."""
    expected = expected[:, :, None] if expected.ndim == 2 else expected
    assert result.shape == (HEIGHT, WIDTH, 3)
    return abs(result.astype(int) - expected).mean()


def without_segment(data, marker):
    """A JPEG file without the segments of one marker."""
    at, parts = 2, [data[:2]]
    while data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != marker:
            parts.append(data[at : at + length])
        at += length
    return b"".join([*parts, data[at:]])


class TestJpeg:
    def test_cmyk_with_adobes_marker_is_inverted(self):
        assert off_by(load_image(encode(Image.fromarray(COLOR).convert("CMYK"), "JPEG", quality=98)), COLOR) < 3

    @pytest.mark.parametrize("lazy", [False, True])
    def test_cmyk_without_adobes_marker_is_not(self, lazy):
        inverted = Image.fromarray(255 - np.asarray(Image.fromarray(COLOR).convert("CMYK")), "CMYK")
        data = without_segment(encode(inverted, "JPEG", quality=98), 0xEE)
        image = Image.open(io.BytesIO(data)) if lazy else data
        for _ in range(2):
            assert off_by(load_image(image), COLOR) < 3

    def test_ycck(self):
        """The transform of Adobe's marker is 2: three inks are stored as YCbCr, the fourth inverted."""
        inks = np.asarray(Image.fromarray(COLOR).convert("CMYK"))
        converted = Image.fromarray(np.ascontiguousarray(inks[:, :, :3])).convert("YCbCr")
        planes = np.dstack([np.asarray(converted), 255 - inks[:, :, 3:]])
        # Pillow inverts what it saves and marks it with transform 0.
        data = encode(Image.fromarray(255 - planes, "CMYK"), "JPEG", quality=98)
        at = data.index(b"\xff\xee\0\x0eAdobe") + 15
        assert data[at] == 0
        assert off_by(load_image(data[:at] + b"\2" + data[at + 1 :]), COLOR) < 3

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_adobes_marker_on_others(self, mode, subsampling):
        image = Image.fromarray(COLOR).convert(mode)
        data = encode(image, "JPEG", quality=98, subsampling=subsampling)
        transform = 1 if mode == "RGB" else 0
        adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
        assert off_by(load_image(data[:2] + adobe + data[2:]), np.asarray(image)) < 6

    def test_rgb_that_is_stored_as_such(self):
        data = encode(Image.fromarray(COLOR), "JPEG", quality=98, keep_rgb=True)
        assert off_by(load_image(data), COLOR) < 3

    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_mpo(self, mode):
        image = Image.fromarray(COLOR).convert(mode)
        data = encode(image, "MPO", save_all=True, append_images=[image.rotate(180)], quality=98)
        assert off_by(load_image(data), np.asarray(image)) < 4


class TestPortableMaps:
    @pytest.mark.parametrize("maximum", [1, 7, 15, 100, 255, 256, 1023, 4095, 65534, 65535])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("plain", [False, True])
    def test_any_maximum(self, maximum, channels, plain):
        pixels = GRAY[:, :, None] if channels == 1 else COLOR
        values = np.rint(pixels / 255 * maximum).astype(int)
        kind = {1: 2, 3: 3}[channels] + (0 if plain else 3)
        body = " ".join(map(str, values.ravel())).encode() if plain else \
            values.astype(">u2" if maximum > 255 else "u1").tobytes()  # fmt: skip
        result = load_image(b"P%d %d %d %d\n" % (kind, WIDTH, HEIGHT, maximum) + body)
        assert abs(result - values * 255 / maximum).max() <= 1

    @pytest.mark.parametrize("plain", [False, True])
    def test_bits(self, plain):
        dark = GRAY < 128
        rows = "\n".join("".join("01"[int(bit)] for bit in row) for row in dark).encode() if plain else \
            np.packbits(dark, axis=1).tobytes()  # fmt: skip
        result = load_image(b"P%d %d %d\n" % (1 if plain else 4, WIDTH, HEIGHT) + rows)
        assert off_by(result, np.where(dark, 0, 255)) == 0

    @pytest.mark.parametrize(("scale", "order"), [(b"1.0", ">"), (b"-1.0", "<")])
    def test_floats(self, scale, order):
        rows = (GRAY[::-1] / 255).astype(f"{order}f4").tobytes()
        result = load_image(b"Pf\n%d %d\n%b\n" % (WIDTH, HEIGHT, scale) + rows, value_range=(0, 1))
        assert off_by(result, GRAY) == 0


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
class TestJpeg2000:
    @pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "YCbCr"])
    def test_8_bits(self, mode):
        alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        image = Image.fromarray(np.dstack([COLOR, alpha])).convert(mode)
        expected = np.asarray(image.convert("RGB"))
        assert off_by(load_image(encode(image, "JPEG2000")), expected) < 1.5

    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_alpha(self, mode):
        alpha = np.full((HEIGHT, WIDTH, 1), 128, np.uint8)
        image = Image.fromarray(np.dstack([COLOR, alpha])).convert(mode)
        expected = np.asarray(image.convert("RGB")).astype(int) * 128 // 255
        assert off_by(load_image(encode(image, "JPEG2000")), expected) < 1.5

    def test_16_bits(self):
        image = Image.fromarray(GRAY.astype(np.uint16) * 257)
        assert off_by(load_image(encode(image, "JPEG2000")), GRAY) < 1

    @pytest.mark.parametrize("bits", [9, 10, 12, 16])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_more_than_8_bits(self, bits, channels):
        codecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
        pixels = GRAY if channels == 1 else COLOR
        values = np.rint(pixels / 255 * (2**bits - 1)).astype(np.uint16)
        data = codecs.jpeg2k_encode(values, level=0, bitspersample=bits, reversible=True)
        assert off_by(load_image(bytes(data)), pixels) < 1.5


def bitmap(bits, rows, *, masks=(), palette=b"", compression=0, top_down=False):
    """A Windows bitmap, version 3 of the header (BITMAPINFOHEADER)."""
    body = b"".join(row + b"\0" * (-len(row) % 4) for row in (rows if top_down else rows[::-1]))
    extra = b"".join(struct.pack("<I", mask) for mask in masks) + palette
    start = 54 + len(extra)
    height = -HEIGHT if top_down else HEIGHT
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + extra + body


class TestBitmaps:
    @pytest.mark.parametrize("top_down", [False, True])
    @pytest.mark.parametrize("bits", [24, 32])
    def test_color(self, bits, top_down):
        filler = [np.full((HEIGHT, WIDTH, 1), 0, np.uint8)] if bits == 32 else []
        rows = [row.tobytes() for row in np.dstack([COLOR[:, :, ::-1], *filler])]
        assert off_by(load_image(bitmap(bits, rows, top_down=top_down)), COLOR) == 0

    @pytest.mark.parametrize("masks", [(0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)])
    def test_16_bits(self, masks):
        widths = [bin(mask).count("1") for mask in masks]
        shifts = [(mask & -mask).bit_length() - 1 for mask in masks]
        levels = [np.rint(COLOR[:, :, i] / 255 * (2**width - 1)).astype(int) for i, width in enumerate(widths)]
        values = sum(level << shift for level, shift in zip(levels, shifts, strict=True)).astype("<u2")
        result = load_image(bitmap(16, [row.tobytes() for row in values], masks=masks, compression=3))
        expected = np.dstack([level * 255 / (2**width - 1) for level, width in zip(levels, widths, strict=True)])
        assert abs(result - expected).max() <= 8

    @pytest.mark.parametrize("bits", [1, 4, 8])
    def test_palette(self, bits):
        levels = 2**bits
        values = GRAY.astype(int) * levels >> 8
        ramp = np.linspace(255, 0, levels).astype(np.uint8)
        palette = b"".join(bytes([value, value, value, 0]) for value in ramp)
        shifts = np.arange(bits - 1, -1, -1)
        rows = [np.packbits((row[:, None] >> shifts & 1).ravel().astype(np.uint8)).tobytes() for row in values]
        assert off_by(load_image(bitmap(bits, rows, palette=palette)), ramp[values]) == 0

    def test_run_lengths(self):
        values = GRAY >> 5
        palette = b"".join(bytes([value] * 3 + [0]) for value in np.linspace(0, 255, 256).astype(np.uint8))
        rows = [b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in values]
        data = bitmap(8, [b"".join(rows[::-1]) + b"\0\1"], palette=palette, compression=1)
        assert off_by(load_image(data), values) == 0


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sgi_of_16_bits(mode):
    image = Image.fromarray(COLOR).convert(mode)
    assert off_by(load_image(encode(image, "SGI", bpc=2)), np.asarray(image)) < 1


@pytest.mark.parametrize("bits", [8, 16, 32, -32])
def test_fits_is_read_or_refused(bits):
    """FITS has signed integers, and floating-point values of any range (FITS standard 4.0, section 4.4.1)."""
    cards = ["SIMPLE  =                    T", f"BITPIX  = {bits:20d}", "NAXIS   =                    2",
             f"NAXIS1  = {WIDTH:20d}", f"NAXIS2  = {HEIGHT:20d}", "END"]  # fmt: skip
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    dtype = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4"}[bits]
    data = header + GRAY[::-1].astype(dtype).tobytes()
    if bits == 8:
        assert off_by(load_image(data + bytes(2880)), GRAY) == 0
    else:
        with pytest.raises(ImageError, match="accepted: "):
            load_image(data + bytes(2880), value_range=(0, 255) if bits < 0 else None)


def test_webp_without_alpha_and_with():
    assert off_by(load_image(encode(COLOR, "WEBP", lossless=True)), COLOR) == 0
    assert off_by(load_image(encode(COLOR, "WEBP", quality=95)), COLOR) < 6


def test_gif_of_gray():
    assert off_by(load_image(encode(GRAY, "GIF")), GRAY) == 0


def test_avif_is_read_or_refused_in_words():
    with warnings.catch_warnings():
        # A Pillow before 11.3 does not know the word.
        warnings.simplefilter("ignore", UserWarning)
        readable = features.check("avif")
    if readable:
        assert off_by(load_image(encode(COLOR, "AVIF", quality=95)), COLOR) < 8
    else:
        refused(b"\0\0\0\x20ftypavif" + bytes(40), "AVIF image.*Pillow 11.3")


class TestHeic:
    def test_is_named_where_its_reader_is_missing(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "pillow_heif.as_plugin", None)
        refused(b"\0\0\0\x20ftypheic" + bytes(40), r"HEIC image, which needs pillow-heif.*mtcnn-fast\[heif\]")

    @pytest.mark.parametrize("orientation", [1, 6, 8])
    def test_is_read(self, orientation):
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        heif.from_pillow(Image.fromarray(COLOR)).save(file, quality=95, exif=exif.tobytes())
        result = load_image(file.getvalue())
        turned = {1: COLOR, 6: np.rot90(COLOR, -1), 8: np.rot90(COLOR)}[orientation]
        assert result.shape == turned.shape
        assert abs(result.astype(int) - turned).mean() < 8
        assert "HEIF" not in Image.OPEN, "a plug-in has been registered for the whole process"

    def test_damage_is_named(self):
        pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        refused(b"\0\0\0\x20ftypheic" + bytes(40), "HEIC image that cannot be decoded")
