"""TIFF files whose tags mean something that Pillow does not obey: corrected where that is exact, otherwise refused.

Tags and their values are those of TIFF 6.0 (1992), sections 3 to 23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._types import AnyArray
from mtcnn_fast.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image as PILImage

BITS_PER_SAMPLE = 258
COMPRESSION = 259
PHOTOMETRIC = 262
FILL_ORDER = 266
PLANAR = 284
COLOR_MAP = 320
INK_SET = 332
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339
STRIP_BYTES = 279
SUBSAMPLING = 530

TAG_NAMES: Mapping[int, str] = {
    BITS_PER_SAMPLE: "BitsPerSample",
    COMPRESSION: "Compression",
    PHOTOMETRIC: "PhotometricInterpretation",
    FILL_ORDER: "FillOrder",
    PLANAR: "PlanarConfiguration",
    INK_SET: "InkSet",
    EXTRA_SAMPLES: "ExtraSamples",
    SAMPLE_FORMAT: "SampleFormat",
    SUBSAMPLING: "YCbCrSubSampling",
}
"""Tags that decide how pixels are stored, in the order in which messages list them."""

WHITE_IS_ZERO = 0
PALETTE = 3
SEPARATED = 5
YCBCR = 6
UNCOMPRESSED = 1
SEPARATE_PLANES = 2
CMYK_INKS = 1
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def check_tags(image: PILImage.Image, name: str) -> None:
    """Refuse a TIFF file that Pillow opens but would decode to wrong pixels.

    Parameters
    ----------
    image : PIL.TiffImagePlugin.TiffImageFile
        Just opened, or loaded.
    name : str
        What error messages call the image.

    Raises
    ------
    ImageError
        It names the tag and its value.
    """
    tags = _tags(image)
    bits, sample_format = _first(tags, BITS_PER_SAMPLE, 1), _first(tags, SAMPLE_FORMAT, UNSIGNED)
    uncompressed = _first(tags, COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    if sample_format == SIGNED and bits == 8:
        raise _refusal(name, f"SampleFormat {SIGNED} (signed integers), whose black and white are not known")
    if sample_format == FLOAT and _first(tags, PHOTOMETRIC, 1) == WHITE_IS_ZERO:
        raise _refusal(name, f"PhotometricInterpretation {WHITE_IS_ZERO} (white is zero) and floating-point values")
    if sample_format == FLOAT and not uncompressed and _big_endian(image):
        raise _refusal(name, f"SampleFormat {FLOAT} (floating point) in compressed big-endian order")
    if bits == 16 and uncompressed and _first(tags, PLANAR, 1) == SEPARATE_PLANES:
        raise _refusal(name, f"PlanarConfiguration {SEPARATE_PLANES} (separate planes) with 16 bits, uncompressed")
    if uncompressed and _first(tags, PHOTOMETRIC, 1) == YCBCR and _subsampled(image):
        raise _refusal(name, f"YCbCrSubSampling {_text(tags.get(SUBSAMPLING, (2, 2)))}, uncompressed")
    if _first(tags, PHOTOMETRIC, 1) == SEPARATED and _first(tags, INK_SET, CMYK_INKS) != CMYK_INKS:
        raise _refusal(
            name, f"InkSet {_first(tags, INK_SET, CMYK_INKS)} (inks other than cyan, magenta, yellow, black)"
        )


def sample_type(image: PILImage.Image) -> str:
    """Name the tags that say what kind of number a sample is."""
    tags = _tags(image)
    return f"BitsPerSample {_first(tags, BITS_PER_SAMPLE, 1)}, SampleFormat {_first(tags, SAMPLE_FORMAT, UNSIGNED)}"


def corrected(image: PILImage.Image, pixels: AnyArray) -> AnyArray:
    """Bring 16-bit gray as Pillow decodes it to what the tags mean.

    Parameters
    ----------
    image : PIL.TiffImagePlugin.TiffImageFile
    pixels : (H, W) uint16 ndarray

    Returns
    -------
    (H, W) uint16 or uint8 ndarray
        Black is 0, white the largest value. Values of fewer than 16 bits are rounded to the nearest of 8 bits.
    """
    tags = _tags(image)
    bits = _first(tags, BITS_PER_SAMPLE, 16)
    top = (1 << bits) - 1
    if _first(tags, PHOTOMETRIC, 1) == WHITE_IS_ZERO:
        pixels = top - pixels
    if bits < 16:
        return ((pixels.astype(np.uint32) * 510 + top) // (2 * top)).astype(np.uint8)
    return pixels


def palette_of_8_bits(image: PILImage.Image) -> bytes | None:
    """Return the palette of a file that has 8-bit values in its 16-bit ColorMap, as some old programs wrote it.

    Returns
    -------
    bytes or None
        All red, then all green, then all blue values; None where the values fill 16 bits, as they should.

    Notes
    -----
    libtiff's test: no entry is above 255. A true palette of such entries would be black throughout.
    """
    values = _tags(image).get(COLOR_MAP)
    if _first(_tags(image), PHOTOMETRIC, 1) != PALETTE or not values or max(values) > 255:
        return None
    return bytes(values)


def _subsampled(image: PILImage.Image) -> bool:
    """Tell whether the color differences of a YCbCr image are fewer than its pixels."""
    tags = _tags(image)
    given = tags.get(SUBSAMPLING)
    if given is not None:
        return tuple(given) != (1, 1)
    # Without the tag they should be a quarter; but some programs leave it out and write all of them.
    stored = tags.get(STRIP_BYTES)
    return stored is not None and sum(stored) < 3 * image.width * image.height


def listed(image: PILImage.Image) -> str:
    """List the tags of an opened image that decide how it is stored, for a message; empty where they are damaged."""
    try:
        return _listed(_tags(image))
    # As in `described`.
    except Exception:
        return ""


def described(file: IO[bytes]) -> str:
    """List the same tags of a file that Pillow does not open; empty where they cannot be read."""
    from PIL import TiffImagePlugin

    try:
        file.seek(0)
        header = file.read(8)
        if header[2:4] in (b"\0+", b"+\0"):
            header += file.read(8)
        directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(directory.next)
        directory.load(file)
        return _listed(directory)
    # A damaged directory fails in every way there is; then there is nothing to add.
    except Exception:
        return ""


def _listed(tags: Mapping[int, Any]) -> str:
    return ", ".join(f"{name} {_text(tags[tag])}" for tag, name in TAG_NAMES.items() if tag in tags)


def _text(value: object) -> str:
    return " ".join(map(str, value[:8])) if isinstance(value, tuple) else str(value)


def _tags(image: PILImage.Image) -> Mapping[int, Any]:
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return tags


def _first(tags: Mapping[int, Any], tag: int, default: int) -> int:
    value = tags.get(tag, default)
    if isinstance(value, (tuple, list)):
        value = value[0] if value else default
    return int(value)


def _big_endian(image: PILImage.Image) -> bool:
    return getattr(_tags(image), "prefix", b"II") == b"MM"


def _refusal(name: str, what: str) -> ImageError:
    return ImageError(
        f"{name} is a TIFF file with {what}; accepted: unsigned 8- or 16-bit gray or color, 12-bit and 32-bit floating-"
        "point gray; convert it to 8-bit RGB"
    )
