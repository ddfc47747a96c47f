"""Encoded images: finding their format, reading their header, and turning them into arrays of pixels.

What comes out is still in the image's own precision and channels; `mtcnn_fast.images` brings it to 8-bit RGB. Pillow is
imported when it is first needed.
"""

from __future__ import annotations

import io
import os
import re
import struct
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from mtcnn_fast._paths import is_folder
from mtcnn_fast._types import AnyArray, Size
from mtcnn_fast.errors import ImageError, file_error
from mtcnn_fast.images import heif, tiff
from mtcnn_fast.images.pixels import pil_pixels, reason, undecodable

if TYPE_CHECKING:
    from PIL import Image as PILImage

# Pillow reads EPS by running Ghostscript on it: a program from an untrusted file, not a picture.
UNSAFE_FORMATS = frozenset({"EPS"})


class Decoded(NamedTuple):
    """An image that is no array, read.

    Attributes
    ----------
    pixels : ndarray, (H, W) or (H, W, 3) or (H, W, 4)
        Upright, otherwise as `mtcnn_fast.images.pixels.pil_pixels` returns them.
    name : str
        What error messages call the image.
    size : (width, height)
        Of the image as it is stored; a JPEG may have been decoded smaller.
    """

    pixels: AnyArray
    name: str
    size: Size


URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+:/{1,2}|data:)\S")


def read_path(path: str | os.PathLike[Any], max_pixels: int, least_side: int | None = None) -> Decoded:
    """Decode an image file.

    Parameters
    ----------
    path : str or path-like
        The file.
    max_pixels : int
        Largest number of pixels; compared with the file's header before anything is decoded.
    least_side : int, optional
        Decode no more of a JPEG than it takes, see `mtcnn_fast.images.pixels.pil_pixels`.

    Returns
    -------
    Decoded

    Raises
    ------
    ImageError
        If the file is missing, cannot be opened, is not an image, is damaged or truncated, or is too large. It is also
        the exception that the system's error stands for, such as `FileNotFoundError`.
    """
    text = os.fsdecode(path)
    name = f"image file {shorten(text)!r}"
    try:
        # Not pathlib, which takes an empty path for the current directory; only the opening is guarded here.
        file = open(text, "rb")  # noqa: PTH123, SIM115
    except (OSError, ValueError) as error:
        raise file_error(ImageError, error, f"{name} {_why_not_opened(text, error)}") from error
    with file:
        return _read(file, name, max_pixels, least_side)


def read_bytes(data: bytes, max_pixels: int, least_side: int | None = None) -> Decoded:
    """Decode an image from the bytes of its file; see `read_path`."""
    name = f"encoded image of {len(data)} bytes"
    return _read(io.BytesIO(data), name, max_pixels, least_side)


def shorten(text: str, limit: int = 300) -> str:
    """Leave out the middle of a long text."""
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"


def open_encoded(file: IO[bytes], name: str) -> PILImage.Image:
    """Find the format of a file and read its header, as ``PIL.Image.open`` does but without Pillow's own size limit.

    That limit is one variable for the whole process: it could not be lifted here without lifting it for other threads
    too. So the plug-ins are asked directly, through Pillow's public registry, and `check_pixels` judges the size.

    Parameters
    ----------
    file : binary file object
        It must be seekable; its position is that of the first byte.
    name : str
        What error messages call the image.

    Raises
    ------
    ImageError
        If it is empty, or no plug-in reads it.
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
                    tags = tiff.described(file) if kind == "TIFF" else ""
                    reasons.append(f"{kind}: {error}" + (f": {tags}" if tags else ""))
            except Exception as error:
                raise ImageError(undecodable(name, error)) from error
    if heif.is_heif(prefix):
        return heif.open_heif(file, name)
    detail = f" ({'; '.join(reasons)})" if reasons else ""
    raise ImageError(
        f"{name} is not an image that can be read{detail}; "
        "accepted: a complete file in a format that Pillow reads (JPEG, PNG, WebP, TIFF, BMP, GIF, ...), except EPS"
    )


def _read(file: IO[bytes], name: str, max_pixels: int, least_side: int | None) -> Decoded:
    pixels, size = pil_pixels(
        open_encoded(file, name),
        max_pixels,
        name,
        exif=True,
        open_file=lambda again: open_encoded(again, name),
        least_side=least_side,
    )
    return Decoded(pixels, name, size)


def _why_not_opened(text: str, error: OSError | ValueError) -> str:
    accepted = "accepted: the path of an image file"
    if isinstance(error, FileNotFoundError):
        if URL.match(text):
            return f"is a URL, and nothing is downloaded here; {accepted}, or the bytes of a downloaded one"
        return f"does not exist; {accepted}"
    if is_folder(text):
        return f"is a directory; {accepted}; detect_batch() takes the images of a folder"
    return f"cannot be opened ({reason(error)}); {accepted} that may be read"
