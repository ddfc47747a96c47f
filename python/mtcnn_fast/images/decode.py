"""Encoded images and PIL images, turned into arrays of pixels in their upright position.

What comes out is still in the image's own precision and channels; `mtcnn_fast.images` brings it to 8-bit RGB. Pillow is
imported when it is first needed.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._types import AnyArray
from mtcnn_fast.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image as PILImage


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

# Pillow reads EPS by running Ghostscript on it: a program from an untrusted file, not a picture.
UNSAFE_FORMATS = frozenset({"EPS"})

SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
# Readers that have no mode for 16-bit gray deliver it as mode "I", brought to 0-65535.
SIXTEEN_BIT_FORMATS = frozenset({"PNG", "PPM"})

URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+:/{1,2}|data:)\S")


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


def read_path(path: str | os.PathLike[Any], max_pixels: int) -> tuple[AnyArray, str]:
    """Decode an image file.

    Parameters
    ----------
    path : str or path-like
        The file.
    max_pixels : int
        Largest number of pixels; compared with the file's header before anything is decoded.

    Returns
    -------
    pixels : ndarray, (H, W) or (H, W, 3) or (H, W, 4)
        As `pil_pixels` returns them.
    name : str
        What error messages call the image.

    Raises
    ------
    ImageError
        If the file is missing, cannot be opened, is not an image, is damaged or truncated, or is too large.
    """
    text = os.fsdecode(path)
    name = f"image file {_shorten(text)!r}"
    try:
        # Not pathlib, which takes an empty path for the current directory; only the opening is guarded here.
        file = open(text, "rb")  # noqa: PTH123, SIM115
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} {_why_not_opened(text, error)}") from error
    with file:
        return _read(file, name, max_pixels), name


def read_bytes(data: bytes, max_pixels: int) -> tuple[AnyArray, str]:
    """Decode an image from the bytes of its file; see `read_path`."""
    name = f"encoded image of {len(data)} bytes"
    return _read(io.BytesIO(data), name, max_pixels), name


def _why_not_opened(text: str, error: OSError | ValueError) -> str:
    accepted = "accepted: the path of an image file"
    if isinstance(error, FileNotFoundError):
        if URL.match(text):
            return f"is a URL, and nothing is downloaded here; {accepted}, or the bytes of a downloaded one"
        return f"does not exist; {accepted}"
    if os.path.isdir(text):  # noqa: PTH112 - Path.is_dir() raises for names that are too long
        return f"is a directory; {accepted}"
    return f"cannot be opened ({_reason(error)}); {accepted} that may be read"


def _shorten(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read(file: IO[bytes], name: str, max_pixels: int) -> AnyArray:
    return pil_pixels(_identify(file, name), max_pixels, name)


def _identify(file: IO[bytes], name: str) -> PILImage.Image:
    """Find the format of `file` and read its header, as ``PIL.Image.open`` does but without Pillow's own size limit.

    That limit is one variable for the whole process: it could not be lifted here without lifting it for other threads
    too. So the plug-ins are asked directly, through Pillow's public registry, and `check_pixels` judges the size.
    """
    from PIL import Image

    prefix = file.read(16)
    if not prefix:
        raise ImageError(f"{name} is empty; accepted: an image in a format that Pillow reads (JPEG, PNG, WebP, ...)")
    reasons: list[str] = []
    tried = set(UNSAFE_FORMATS)
    for register in (Image.preinit, Image.init):
        register()
        for kind in [kind for kind in Image.ID if kind not in tried]:
            tried.add(kind)
            factory, accepts = Image.OPEN[kind]
            matches: bool | str = not accepts
            try:
                if accepts:
                    matches = accepts(prefix)
                if isinstance(matches, str):
                    # The format is known, but this build of Pillow cannot read it.
                    reasons.append(matches)
                elif matches:
                    file.seek(0)
                    return factory(file, "")
            # The plug-ins' ways of saying "not mine"; where the signature did match, they tell what is damaged.
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                if accepts and matches:
                    reasons.append(f"{kind}: {error}")
            except Exception as error:
                raise ImageError(_undecodable(name, error)) from error
    detail = f" ({'; '.join(reasons)})" if reasons else ""
    raise ImageError(
        f"{name} is not an image that can be read{detail}; "
        "accepted: a complete file in a format that Pillow reads (JPEG, PNG, WebP, TIFF, BMP, GIF, ...), except EPS"
    )


def _undecodable(name: str, error: Exception) -> str:
    return (
        f"{name} cannot be decoded, it is damaged, truncated or of an unsupported kind ({_reason(error)}); "
        "accepted: a complete, undamaged image"
    )


def pil_pixels(image: PILImage.Image, max_pixels: int, name: str) -> AnyArray:
    """AnyArray of a PIL image, upright.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode; of an animation, the current frame. An image that is still in its file is loaded.
    max_pixels : int
        Largest number of pixels; compared with the image's size before it is loaded.
    name : str
        What error messages call the image.

    Returns
    -------
    ndarray, (H, W) or (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA: uint8; uint16 for 16-bit gray; float32, in whatever range, for mode ``F``. The EXIF
        orientation has been applied.

    Raises
    ------
    ImageError
        If the image is too large, cannot be decoded, or is of a mode whose meaning is not known.
    """
    width, height = image.size[:2]
    check_pixels(name, width, height, max_pixels)
    try:
        _load(image)
        pixels = _mode_pixels(image, name)
    except ImageError:
        raise
    # Depending on format and damage, Pillow raises nearly every built-in exception there is.
    except Exception as error:
        raise ImageError(_undecodable(name, error)) from error
    return UPRIGHT.get(_orientation(image), _unchanged)(pixels)


def _load(image: PILImage.Image) -> None:
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if image.format == "TIFF" and limit is not None and image.width * image.height > limit:
        # The TIFF plug-in applies Pillow's limit again when it allocates the pixels, but not if it has them already.
        tags = getattr(image, "tag_v2", {})
        if getattr(image, "tile", None) and 256 in tags and 257 in tags:
            image.im = Image.new(image.mode, (tags[256], tags[257])).im
    image.load()


def _mode_pixels(image: PILImage.Image, name: str) -> AnyArray:
    mode = image.mode
    if mode == "I" or mode in SIXTEEN_BIT_MODES:
        return _sixteen_bit_pixels(image, name)
    if mode == "RGBa":
        # Premultiplied by alpha, which is what compositing on black would do.
        return np.asarray(image)[:, :, :3]
    if mode == "La":
        image = image.convert("LA")
    if mode != "F":
        if image.has_transparency_data:
            image = image.convert("RGBA")
        elif mode in ("1", "L"):
            image = image.convert("L")
        else:
            image = image.convert("RGB")
    return np.asarray(image)


def _sixteen_bit_pixels(image: PILImage.Image, name: str) -> AnyArray:
    if image.mode == "I" and image.format not in SIXTEEN_BIT_FORMATS:
        raise ImageError(
            f"{name} has mode I (32-bit integers), whose range is not known; accepted: mode L for values of 0-255 "
            "(image.convert('L') in PIL), mode I;16 for values of 0-65535 (image.convert('I;16'))"
        )
    pixels = np.asarray(image).astype(np.uint16)
    # A PNG may declare one gray value to be transparent: over black it is black.
    key = image.info.get("transparency")
    if key is not None:
        pixels[pixels == key] = 0
    return pixels


def _orientation(image: PILImage.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    # Damaged metadata say nothing about the orientation; viewers show such an image as it is stored.
    except Exception:
        return 1


def _unchanged(pixels: AnyArray) -> AnyArray:
    return pixels
