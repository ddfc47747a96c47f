"""The transparent color of a PNG (``tRNS``), for every color type and bit depth: it is shown on black."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.images import load_image
from support.pictures import chunk, encode, noise, png, refused
from support.tiff_files import packed

WIDTH, HEIGHT = 24, 9


def gray(depth):
    """Every value of few bits, or many of 16, in no order."""
    return np.random.default_rng(depth).integers(0, 2**depth, (HEIGHT, WIDTH))


def rows(values, depth):
    return [packed(row[None], depth) for row in values]


@pytest.mark.parametrize(("depth", "more"), [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (8, 0), (8, 1), (16, 0)])
def test_gray(depth, more):
    """Bits of the key above the depth mean nothing (PNG specification, section 11.3.2.1)."""
    values = gray(depth)
    key = int(values[3, 5])
    stated = key | (0xFFFF << depth & 0xFFFF if more else 0)
    data = png(WIDTH, HEIGHT, depth, 0, rows(values, depth), chunk(b"tRNS", struct.pack(">H", stated)))
    expected = np.rint(np.where(values == key, 0, values) * 255 / (2**depth - 1))
    result = load_image(data)
    np.testing.assert_array_equal(result, np.repeat(expected[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(data))), result)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_color(depth, lazy, interlaced):
    values = np.random.default_rng(1).integers(0, 2**depth, (HEIGHT, WIDTH, 3))
    key = values[3, 5].copy()
    # The key's upper bytes alone are another color, which stays.
    values[4, 5] = key ^ [0, 0, 1]
    trns = chunk(b"tRNS", struct.pack(">HHH", *key))
    lines = rows(values.reshape(HEIGHT, -1), depth)
    data = adam7(values, depth, trns) if interlaced else png(WIDTH, HEIGHT, depth, 2, lines, trns)
    expected = values >> (depth - 8)
    expected[3, 5] = 0
    image = Image.open(io.BytesIO(data)) if lazy else data
    for _ in range(2 if depth == 8 else 1):
        np.testing.assert_array_equal(load_image(image), expected)


def adam7(values, depth, *chunks):
    """An interlaced PNG (PNG specification, section 8.2)."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [values[y::dy, x::dx] for x, y, dx, dy in passes]
    lines = [b"\0" + packed(row.reshape(1, -1), depth) for part in parts if part.size for row in part]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, 2, 0, 0, 1)
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(b"".join(lines))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette(depth):
    values = gray(min(depth, 4))
    colors = np.random.default_rng(2).integers(0, 256, (2 ** min(depth, 4), 3))
    alpha = np.random.default_rng(3).integers(0, 256, len(colors))
    chunks = [chunk(b"PLTE", bytes(colors.ravel().tolist())), chunk(b"tRNS", bytes(alpha.tolist()))]
    expected = ((colors * alpha[:, None] + 127) // 255)[values]
    np.testing.assert_array_equal(load_image(png(WIDTH, HEIGHT, depth, 3, rows(values, depth), *chunks)), expected)


@pytest.mark.parametrize("color_type", [0, 2, 4, 6])
@pytest.mark.parametrize("depth", [8, 16])
def test_significant_bits_change_nothing(depth, color_type):
    """``sBIT`` tells how many bits were meant; values fill the depth all the same (section 11.3.2.4)."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    values = np.random.default_rng(4).integers(0, 2**depth, (HEIGHT, WIDTH * channels))
    plain = png(WIDTH, HEIGHT, depth, color_type, rows(values, depth))
    marked = png(WIDTH, HEIGHT, depth, color_type, rows(values, depth), chunk(b"sBIT", bytes([5] * channels)))
    np.testing.assert_array_equal(load_image(marked), load_image(plain))


def test_a_key_that_no_pixel_has():
    image = noise(HEIGHT, WIDTH, 3) // 2
    data = png(
        WIDTH, HEIGHT, 8, 2, [row.tobytes() for row in image], chunk(b"tRNS", struct.pack(">HHH", 255, 255, 255))
    )
    np.testing.assert_array_equal(load_image(data), image)


def test_a_16_bit_color_image_whose_file_is_closed():
    values = np.full((2, 2, 3), 777)
    data = png(2, 2, 16, 2, rows(values.reshape(2, -1), 16), chunk(b"tRNS", struct.pack(">HHH", 777, 777, 777)))
    image = Image.open(io.BytesIO(data))
    image.close()
    refused(image, "PIL image cannot be decoded, as its file was closed")


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_pil_images_in_memory(mode):
    image = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(8).convert(mode)
    key = image.getpixel((3, 4))
    image.info["transparency"] = key
    expected = load_image(image.convert("RGBA"))
    np.testing.assert_array_equal(load_image(image), expected)
    assert image.info["transparency"] == key


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_files_of_pillow(kind):
    image = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(8)
    data = encode(image, kind, transparency=3)
    expected = np.array(image.convert("RGB"))
    expected[np.asarray(image) == 3] = 0
    np.testing.assert_array_equal(load_image(data), expected)
