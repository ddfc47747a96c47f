"""Pictures to try the door with: noise, encoded files, PNGs made by hand, and the check of a refusal."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image


def noise(*shape, dtype=np.uint8):
    """Values from 0 to 255, the same at every call."""
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def ramp_with_noise(height, width, seed=0):
    """Noise over a gradient, so that places next to each other differ."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 90, width))[..., None]
    return np.clip(ramp + rng.integers(0, 60, (height, width, 3)), 0, 255).astype(np.uint8)


def encode(image, kind, **options):
    """The bytes of a file of the given format, from an array or a PIL image."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    """One chunk of a PNG file (PNG specification, section 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color_type, rows, *more):
    """A PNG file of any bit depth and color type (PNG specification, section 11.2.2), also if PIL cannot write it."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def exif(orientation):
    """Metadata with nothing but an orientation."""
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def refused(image, match, **arguments):
    """Expect an `ImageError` that says what is accepted, and return its text."""
    with pytest.raises(ImageError, match=match) as caught:
        load_image(image, **arguments)
    assert "accepted: " in str(caught.value)
    return str(caught.value)


def check(result, expected):
    """Compare an image with what it should be, and hold it to what the door promises."""
    assert type(result) is np.ndarray
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert result.shape[2] == 3
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)
