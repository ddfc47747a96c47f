"""What an uploaded picture may be: known formats, so many pixels, and no more decoding than its pixels are worth."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from mtcnn_fast.config import CELL, DetectorConfig
from mtcnn_fast.images.decode import open_encoded
from mtcnn_fast.serving.problems import ProblemError

if TYPE_CHECKING:
    from PIL import Image

#: Formats that cameras, browsers and editors write. Pillow reads many more, whose decoders nobody needs here.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF")

#: Passes over a picture of the largest size that a progressive JPEG may ask for. Encoders write ten or so; a file of a
#: megabyte can ask for thousands, each of which takes as long as decoding the whole picture.
MAX_PASSES = 16

#: A marker of a JPEG outside of coded data: 0xFF that is neither stuffed, nor a restart, nor filling.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END, _SCAN = 0xD9, 0xDA
_WITHOUT_LENGTH = (0x01, 0xD8)


def check_picture(data: bytes, config: DetectorConfig, min_face_size: float) -> None:
    """Refuse a picture by its header, before anything is decoded.

    Parameters
    ----------
    data : bytes
        The image file.
    config : DetectorConfig
        Settings of the service: `max_pixels` bounds what is decoded, `min_face_size` what is searched.
    min_face_size : float
        Side in pixels of the smallest face that this request looks for.

    Raises
    ------
    ProblemError
        413 for too many pixels, 415 for another format, 422 for a JPEG with too many scans.
    ImageError
        If the file is empty or no image.
    """
    picture = open_encoded(io.BytesIO(data), f"encoded image of {len(data)} bytes")
    with picture:
        name = picture.format or "unknown"
        if name not in FORMATS:
            raise ProblemError(415, "unsupported-format", f"The image is {name}; accepted: {', '.join(FORMATS)}.")
        _check_pixels(picture, config.max_pixels)
        check_search(picture.size, config, min_face_size)
        if name in ("JPEG", "MPO"):
            _check_scans(data, picture.width * picture.height, config.max_pixels)


def _check_pixels(picture: Image.Image, limit: int) -> None:
    if picture.width * picture.height > limit:
        raise ProblemError(
            413,
            "too-many-pixels",
            f"The image has {picture.width}x{picture.height} pixels; accepted are {limit:,} at most.",
        )


def check_search(size: tuple[int, int], config: DetectorConfig, min_face_size: float) -> None:
    """Refuse a search that takes longer than one in the largest picture with the settings of the service.

    The first level of the pyramid has ``(12 / min_face_size) ** 2`` times the pixels of the image, so looking for faces
    of half the size takes four times as long.

    Raises
    ------
    ProblemError
        413, if the image is too large for faces that small.
    """
    if min_face_size >= config.min_face_size:
        return
    pixels = size[0] * size[1]
    limit = int(config.max_pixels * (min_face_size / config.min_face_size) ** 2)
    if pixels > limit:
        least = config.min_face_size * (pixels / config.max_pixels) ** 0.5
        raise ProblemError(
            413,
            "search-too-large",
            f"min_face_size={min_face_size:g} is accepted for images of {limit:,} pixels at most; "
            f"this one has {size[0]}x{size[1]}, for which it must be at least {max(least, CELL / 12):.1f}.",
        )


def _check_scans(data: bytes, pixels: int, max_pixels: int) -> None:
    limit = max(1, MAX_PASSES * max_pixels // max(1, pixels))
    if count_scans(data, limit + 1) > limit:
        raise ProblemError(422, "too-many-scans", f"The JPEG has more than {limit} scans, which would take too long.")


def count_scans(data: bytes, enough: int) -> int:
    """Count the scans of a JPEG up to its end, or up to `enough`; what segments hold is skipped."""
    scans, position = 0, 0
    while scans < enough:
        found = _MARKER.search(data, position)
        if found is None:
            break
        code, position = data[found.end() - 1], found.end()
        if code == _END:
            break
        if code in _WITHOUT_LENGTH:
            continue
        scans += code == _SCAN
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return scans
