"""Files of images to pixels: by Pillow, or by simplejpeg for the JPEGs that it decodes to the same pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from mtcnn_fast._types import Image
from mtcnn_fast.checks import Choice
from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image
from mtcnn_fast.images.decode import open_encoded
from mtcnn_fast.optional import require

DECODERS = ("pillow", "simplejpeg")

#: EXIF's tag of the orientation, and its value for an upright image.
_ORIENTATION, _UPRIGHT = 0x0112, 1

Decode = Callable[[bytes, int], Image]
"""Gets the bytes of a file and the largest number of pixels, returns RGB, raises ImageError."""


def decoder(name: str) -> Decode:
    """Return a decoder by its name.

    Parameters
    ----------
    name : {"pillow", "simplejpeg"}
        ``simplejpeg`` takes upright gray and YCbCr JPEGs, and leaves all else, damaged files included, to Pillow.

    Raises
    ------
    ConfigError
        If there is none of this name.
    MissingExtraError
        If simplejpeg is not installed.
    """
    if Choice(DECODERS)("decoder", name) == "pillow":
        return _by_pillow
    package = require("simplejpeg", "the decoder 'simplejpeg'", "pip install 'mtcnn-fast[jpeg]'")
    return lambda data, max_pixels: _by_simplejpeg(package, data, max_pixels)


def _by_pillow(data: bytes, max_pixels: int) -> Image:
    return load_image(data, max_pixels=max_pixels)


def _by_simplejpeg(package: Any, data: bytes, max_pixels: int) -> Image:
    if _is_plain_jpeg(data, max_pixels):
        try:
            pixels: Image = package.decode_jpeg(data, "RGB")
        except ValueError:
            # Pillow words what is wrong with it.
            pass
        else:
            return pixels
    return load_image(data, max_pixels=max_pixels)


def _is_plain_jpeg(data: bytes, max_pixels: int) -> bool:
    """Tell whether a file is a JPEG that needs no more than decoding: upright, gray or color, not too large."""
    if not data.startswith(b"\xff\xd8\xff"):
        return False
    try:
        with open_encoded(io.BytesIO(data), "image") as image:
            upright = image.getexif().get(_ORIENTATION, _UPRIGHT) == _UPRIGHT
            return upright and image.mode in ("L", "RGB") and image.width * image.height <= max_pixels
    # Damaged headers and EXIF raise what they like; Pillow's own way through them has the words.
    except (ImageError, OSError, ValueError, SyntaxError, KeyError, TypeError):
        return False
