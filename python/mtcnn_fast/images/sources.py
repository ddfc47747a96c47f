"""What kinds of objects an image may come in, and the pixels of those that are no arrays."""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import numpy as np

from mtcnn_fast._types import AnyArray
from mtcnn_fast.errors import ImageError, file_error
from mtcnn_fast.images.decode import Decoded, open_encoded, read_bytes, read_path, shorten
from mtcnn_fast.images.pixels import file_lock, pil_pixels, reason

ACCEPTED = (
    "a path (str or path-like), the bytes of an image file, a binary file object, a PIL image, a numpy array, "
    "a tensor in host memory, or an object with __array__ or __dlpack__"
)

#: How arrays and tensors show that they are some.
ARRAY_PROTOCOLS = ("__array__", "__dlpack__", "__array_interface__", "__cuda_array_interface__")

#: Kinds of numpy's types whose values are texts, bytes or anything: no pixels, but paths, files or images.
OBJECT_KINDS = "OSTU"


def type_name(value: object) -> str:
    """Return the name of a value's class, with its module unless that is ``builtins``."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_instance(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class whose module may not be imported, or may be being imported by a thread."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def is_pil(image: object) -> bool:
    """Tell whether a value is a PIL image."""
    return is_instance(image, "PIL.Image", "Image")


def is_array(image: object) -> bool:
    """Tell whether a value is an array or a tensor; texts and bytes of numpy are none."""
    if type(image) is np.ndarray:
        return image.ndim > 0 or image.dtype.kind not in OBJECT_KINDS
    if isinstance(image, (str, bytes, np.void)) or is_pil(image) or isinstance(image, type):
        return False
    if isinstance(image, memoryview):
        return image.ndim != 1
    return any(hasattr(image, name) for name in ARRAY_PROTOCOLS)


def is_single(image: object) -> bool:
    """Tell whether a value is one image in a file, in memory or of PIL, though perhaps it can be iterated."""
    kinds = (str, bytes, bytearray, memoryview, os.PathLike, np.void)
    return is_pil(image) or isinstance(image, kinds) or _reader(image) is not None


def decode(image: object, max_pixels: int, exif: bool | None, least_side: int | None = None) -> Decoded:
    """Read an image that is no array.

    Parameters
    ----------
    image : str, path-like, bytes-like, file object, PIL image or object with ``read_bytes``
    max_pixels : int
        Images with more are refused.
    exif : bool or None
        Whether to turn a PIL image upright, see `load_image`.
    least_side : int, optional
        Decode no more of a JPEG file than it takes, see `mtcnn_fast.images.pixels.pil_pixels`.

    Returns
    -------
    Decoded

    Raises
    ------
    ImageError
        If it is none of these, or cannot be read.
    """
    if isinstance(image, np.ndarray):
        image = image.item()
    if is_pil(image):
        name = "PIL image"
        pil = cast("Any", image)
        pixels, size = pil_pixels(pil, max_pixels, name, exif=exif, open_file=lambda file: open_encoded(file, name))
        return Decoded(pixels, name, size)
    if isinstance(image, (str, os.PathLike)):
        return read_path(image, max_pixels, least_side)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return read_bytes(bytes(image), max_pixels, least_side)
    if isinstance(image, np.void) and image.dtype.names is None:
        return read_bytes(image.tobytes(), max_pixels, least_side)
    if _reader(image) is not None:
        return read_bytes(_contents(image), max_pixels, least_side)
    raise ImageError(f"image is of type {type_name(image)}; accepted: {ACCEPTED}{_hint(image)}")


def elements(array: AnyArray) -> list[Any]:
    """Return the images in an array ``(N,)`` of paths, of the bytes of files, or of any objects."""
    if array.dtype.kind == "S":
        # As numpy's own, texts of bytes would lose the zeros at their end, which belong to some files.
        return [item.tobytes() for item in np.ascontiguousarray(array).view(f"V{array.dtype.itemsize}")]
    return cast("list[Any]", array.tolist())


def _reader(image: object) -> Any:
    """Return what reads the contents of a file object, or of a path such as ``zipfile.Path``; None for others."""
    for name in ("read", "read_bytes"):
        method = getattr(image, name, None)
        if callable(method) and not isinstance(image, type):
            return method
    return None


def _contents(image: object) -> bytes:
    """Read a file object to its end, or the file of a path; a file object that can seek is left where it was."""
    what = "a file object" if callable(getattr(image, "read", None)) else _named(image)
    try:
        with file_lock(image):
            data = _read_and_return(image)
    except ImageError:
        raise
    # Foreign code, which reads archives or the network: it may raise anything.
    except Exception as error:
        message = f"image is {what} that cannot be read ({reason(error)}); accepted: {ACCEPTED}"
        raise file_error(ImageError, error, message) from error
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(
            f"image is a file object that reads {type_name(data)}; accepted: one opened in binary mode ('rb')"
        )
    if not data:
        raise ImageError(
            f"image is {what} that is empty, or at its end; accepted: one that has an image file to read "
            "(go to its start: image.seek(0))"
        )
    return bytes(data)


def _named(image: object) -> str:
    try:
        return f"{type_name(image)} {shorten(str(image))!r}"
    # A path in an archive that has no name cannot be written.
    except Exception:
        return f"a {type_name(image)}"


def _read_and_return(image: Any) -> object:
    read = _reader(image)
    seekable = getattr(image, "seekable", None)
    if not callable(seekable) or not seekable():
        return read()
    start = image.tell()
    try:
        return read()
    finally:
        image.seek(start)


def _hint(image: object) -> str:
    if image is None:
        return "; cv2.imread returns None for a file that it cannot read: check the path, or pass the path itself"
    if isinstance(image, (list, tuple)):
        return "; for nested lists pass numpy.asarray(image, dtype='uint8'), for several images use detect_batch()"
    return ""
