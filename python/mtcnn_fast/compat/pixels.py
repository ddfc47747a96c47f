"""Pixels as facenet-pytorch and mtcnn take them: values of 0 to 255 in any type, images as they are stored.

Neither package turns an image upright by its EXIF orientation, and coordinates are in the image as it was given.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._types import AnyArray, Image
from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image

if TYPE_CHECKING:
    import os

    from PIL import Image as PILImage


def from_array(image: Any) -> Image:
    """Return the pixels of an array of values from 0 to 255.

    Parameters
    ----------
    image : (H, W, 3) array_like
        RGB, of any integer or floating-point type. Gray ``(H, W)`` or ``(H, W, 1)`` and RGBA are taken too.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        Fractions are rounded; floating-point values outside 0 to 255 are clipped, as resizing overshoots. May share
        memory.

    Raises
    ------
    ImageError
        If the shape or type is not accepted, integers lie outside 0 to 255, or a value is not a number.
    """
    array = np.asarray(image)
    if array.dtype.kind == "f":
        try:
            return load_image(array, value_range=(0, 255))
        except ImageError:
            # Some value is out of range, or something else is wrong, which shows again.
            return load_image(np.clip(array, 0, 255), value_range=(0, 255))
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        array = _narrowed(array)
    return load_image(array)


def _narrowed(array: AnyArray) -> AnyArray:
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < 0 or high > 255:
        raise ImageError(f"image of dtype {array.dtype} has values from {low} to {high}; accepted: 0 to 255")
    return array.astype(np.uint8)


def from_pil(image: PILImage.Image) -> Image:
    """Return the pixels of a PIL image, of any mode, as ``(H, W, 3)`` uint8."""
    return load_image(np.asarray(image if image.mode == "RGB" else image.convert("RGB")))


def from_encoded(image: str | bytes | bytearray | os.PathLike[str]) -> Image:
    """Return the pixels of an image file, given as its path or its bytes, as ``(H, W, 3)`` uint8.

    Raises
    ------
    ImageError
        If the file is missing, is no image that Pillow reads, or is damaged.
    """
    import PIL
    from PIL import Image as PILImage

    source: Any = io.BytesIO(image) if isinstance(image, (bytes, bytearray)) else image
    name = f"encoded image of {len(source.getbuffer())} bytes" if source is not image else f"image file {image!r}"
    try:
        with PILImage.open(source) as opened:
            return from_pil(opened)
    except PIL.UnidentifiedImageError as error:
        raise ImageError(f"{name} is in no format that Pillow reads") from error
    # Pillow's readers raise whatever a damaged file makes them.
    except Exception as error:
        raise ImageError(f"{name} cannot be read ({type(error).__name__}: {error})") from error
