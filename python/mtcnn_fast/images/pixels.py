"""PIL images, and files that Pillow has opened, turned into arrays of pixels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

import numpy as np

from mtcnn_fast._types import AnyArray, Size
from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import tiff
from mtcnn_fast.images.transparency import TransparentColor

if TYPE_CHECKING:
    from PIL import Image as PILImage

    OpenFile = Callable[[IO[bytes]], PILImage.Image]


ORIENTATION_TAG = 0x0112
"""Tag of the orientation in EXIF 2.32, section 4.6.4."""

UPRIGHT: Mapping[int, Callable[[AnyArray], AnyArray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}
"""How stored pixels become upright, by the value of the orientation tag; others mean that they are."""

SIDEWAYS = (5, 6, 7, 8)
"""The orientations that exchange width and height."""

SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
# Readers that have no mode for 16-bit gray deliver it as mode "I", brought to 0-65535.
SIXTEEN_BIT_FORMATS = frozenset({"PNG", "PPM"})
# Other readers take signed integers for unsigned, or do not scale: FITS and McIdas, for two. None is an image in
# memory.
TRUSTED_FORMATS: Mapping[str, frozenset[str | None]] = {
    "I": frozenset({None, "TIFF", *SIXTEEN_BIT_FORMATS}),
    "I;16": frozenset({None, "TIFF", "JPEG2000", "HEIF", "IM", *SIXTEEN_BIT_FORMATS}),
    "F": frozenset({None, "TIFF", "PPM", "SPIDER", "IM"}),
}

# Decoding changes a PIL image and moves its file: one thread at a time for each. Two sets of locks, always taken in
# this order, serve any number of images, which can neither be hashed nor carry a lock.
_IMAGE_LOCKS = tuple(threading.RLock() for _ in range(64))
_FILE_LOCKS = tuple(threading.RLock() for _ in range(64))


def file_lock(file: object) -> AbstractContextManager[bool]:
    """Return the lock that whoever reads from a file object holds; others may share it."""
    return _FILE_LOCKS[id(file) // 16 % len(_FILE_LOCKS)]


def check_pixels(name: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse an image without pixels, and one with more than `max_pixels`.

    Raises
    ------
    ImageError
        It names the image, its size and the accepted sizes.
    """
    if width * height == 0:
        raise ImageError(f"{name} has no pixels (width {width}, height {height}); accepted: at least 1 x 1 pixel")
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width * height} pixels (width {width}, height {height}), which is above "
            f"max_pixels={max_pixels}; accepted: at most max_pixels pixels; shrink the image or raise max_pixels"
        )


def pil_pixels(
    image: PILImage.Image,
    max_pixels: int,
    name: str,
    *,
    exif: bool | None,
    open_file: OpenFile,
    least_side: int | None = None,
) -> tuple[AnyArray, Size]:
    """Return the pixels of a PIL image, and the size of the whole image.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode; of an animation, the current frame. An image that is still in its file is loaded. Several threads
        may give the same image, or images of the same file object.
    max_pixels : int
        Largest number of pixels; compared with the image's size before it is loaded.
    name : str
        What error messages call the image.
    exif : bool or None
        Whether to turn the image upright by its orientation tag. None turns it unless the tag was inherited from an
        image that this one was made of.
    open_file : callable
        Reads a file's header, as ``PIL.Image.open`` does.
    least_side : int, optional
        Decode a JPEG at a half, a quarter or an eighth of its size, as long as its longer side keeps this many pixels.
        Only for an image of our own, as it changes the image.

    Returns
    -------
    pixels : ndarray, (H, W) or (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA: uint8; uint16 for 16-bit gray; float32, in whatever range, for mode ``F``.
    size : (width, height)
        Of the upright image as it is stored, not as it was decoded.

    Raises
    ------
    ImageError
        If the image is too large, cannot be decoded, or is of a mode whose meaning is not known.
    """
    width, height = image.size[:2]
    check_pixels(name, width, height, max_pixels)
    try:
        with _IMAGE_LOCKS[id(image) // 16 % len(_IMAGE_LOCKS)]:
            if least_side is not None and max(width, height) >= 2 * least_side:
                # What is asked for is the least that may come of it.
                longer = max(width, height)
                image.draft(None, (max(1, width * least_side // longer), max(1, height * least_side // longer)))
            transparent = _load(image, name, open_file)
            orientation = _orientation_to_apply(image, exif)
        pixels = UPRIGHT.get(orientation, _unchanged)(_mode_pixels(image, name, transparent))
        return pixels, (height, width) if orientation in SIDEWAYS else (width, height)
    except ImageError:
        raise
    # Depending on format and damage, Pillow raises nearly every built-in exception there is.
    except Exception as error:
        raise ImageError(_why_not_decoded(image, name, error)) from error


def reason(error: BaseException) -> str:
    """Describe an exception by its class and text."""
    try:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # Errors of foreign code may have no text that can be written.
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def undecodable(name: str, error: BaseException, tags: str = "") -> str:
    """Return what an `ImageError` says of an image that cannot be decoded."""
    details = f"{reason(error)}; {tags}" if tags else reason(error)
    return (
        f"{name} cannot be decoded, it is damaged, truncated or of an unsupported kind ({details}); "
        "accepted: a complete, undamaged image"
    )


def _why_not_decoded(image: PILImage.Image, name: str, error: Exception) -> str:
    file = getattr(image, "fp", None)
    if isinstance(error, ValueError) and (getattr(file, "closed", False) or "closed" in str(error)):
        return (
            f"{name} cannot be decoded, as its file was closed before its pixels were read; accepted: an image with an "
            "open file (or load it first: image.load())"
        )
    return undecodable(name, error, tiff.listed(image) if image.format == "TIFF" else "")


def _load(image: PILImage.Image, name: str, open_file: OpenFile) -> TransparentColor:
    if image.format == "TIFF":
        tiff.check_tags(image, name)
    transparent = TransparentColor(image)
    with file_lock(getattr(image, "fp", None)):
        if transparent.needs_low_bytes:
            transparent.read_low_bytes(getattr(image, "fp", None), open_file)
        _lift_limit(image)
        image.load()
    return transparent


def _lift_limit(image: PILImage.Image) -> None:
    """Keep Pillow's limit of pixels from an image that is not loaded."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if image.format == "TIFF" and limit is not None and image.width * image.height > limit:
        # The TIFF plug-in applies Pillow's limit again when it allocates the pixels, but not if it has them already.
        tags = getattr(image, "tag_v2", {})
        if getattr(image, "tile", None) and 256 in tags and 257 in tags:
            image.im = Image.new(image.mode, (tags[256], tags[257])).im


def _mode_pixels(image: PILImage.Image, name: str, transparent: TransparentColor) -> AnyArray:
    mode = image.mode
    trusted = TRUSTED_FORMATS.get("I;16" if mode in SIXTEEN_BIT_MODES else mode)
    if trusted is not None and image.format not in trusted:
        raise ImageError(
            f"{name} is a {image.format} file of Pillow's mode {mode}, whose black and white are not known; "
            "accepted: 16-bit and floating-point gray as PNG, TIFF or PGM"
        )
    if mode == "I" or mode in SIXTEEN_BIT_MODES:
        return transparent.black_out(_sixteen_bit_pixels(image, name))
    if mode == "RGBa":
        # Premultiplied by alpha, which is what compositing on black would do.
        return np.asarray(image)[:, :, :3]
    if mode == "F":
        return np.asarray(image)
    if mode in ("1", "L", "RGB"):
        if transparent.key is None and image.has_transparency_data:
            return np.asarray(image.convert("RGBA"))
        return transparent.black_out(np.asarray(image.convert("L") if mode == "1" else image))
    return np.asarray(_eight_bit_color(image))


def _eight_bit_color(image: PILImage.Image) -> PILImage.Image:
    """Convert an image of a mode that is neither gray nor RGB."""
    if image.mode == "La":
        return image.convert("LA").convert("RGBA")
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        from PIL import ImageChops

        # Pillow inverts the inks of every CMYK JPEG; only programs that write Adobe's marker store them inverted.
        return ImageChops.invert(image).convert("RGB")
    if image.mode == "P" and image.format == "TIFF":
        palette = tiff.palette_of_8_bits(image)
        if palette is not None:
            image = image.copy()
            image.putpalette(np.frombuffer(palette, np.uint8).reshape(3, -1).T.tobytes())
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _sixteen_bit_pixels(image: PILImage.Image, name: str) -> AnyArray:
    if image.mode == "I" and image.format not in SIXTEEN_BIT_FORMATS:
        tags = f" (TIFF tags {tiff.sample_type(image)})" if image.format == "TIFF" else ""
        raise ImageError(
            f"{name} has mode I (32-bit integers), whose range is not known{tags}; accepted: mode L for values of "
            "0-255 (image.convert('L') in PIL), mode I;16 for values of 0-65535 (image.convert('I;16'))"
        )
    pixels = np.asarray(image).astype(np.uint16)
    return tiff.corrected(image, pixels) if image.format == "TIFF" else pixels


def _orientation_to_apply(image: PILImage.Image, exif: bool | None) -> int:
    if exif is False:
        return 1
    orientation = _orientation(image)
    if exif is None and orientation != 1 and not _as_opened(image) and orientation == _inherited_orientation(image):
        return 1
    return orientation


def _as_opened(image: PILImage.Image) -> bool:
    from PIL import ImageFile

    return isinstance(image, ImageFile.ImageFile)


def _inherited_orientation(image: PILImage.Image) -> int:
    """Return the orientation in the metadata that PIL's methods copy from image to image."""
    from PIL import Image

    blank = Image.new("1", (1, 1))
    blank.info = image.info
    return _orientation(blank)


def _orientation(image: PILImage.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    # Damaged metadata say nothing about the orientation; viewers show such an image as it is stored.
    except Exception:
        return 1


def _unchanged(pixels: AnyArray) -> AnyArray:
    return pixels
