"""The door: every accepted kind of image becomes 8-bit RGB here, once.

Backends see nothing but what `load_image` returns.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray, Color, Layout, Size, ValueRange
from mtcnn_fast.errors import ImageError
from mtcnn_fast.images.pixels import check_pixels
from mtcnn_fast.images.sources import (
    ACCEPTED,
    OBJECT_KINDS,
    decode,
    elements,
    is_array,
    is_instance,
    is_single,
    type_name,
)
from mtcnn_fast.listing import is_listing, list_images

SHAPES = {"hwc": "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)", "chw": "(H, W), (1, H, W), (3, H, W) or (4, H, W)"}
BATCH_SHAPES = {"hwc": "(N, H, W, C)", "chw": "(N, C, H, W)"}
CHANNELS = (1, 3, 4)
DTYPES = "uint8, uint16, and float16, float32 or float64 with value_range"

# Device types of DLPack (dlpack.h, DLDeviceType) whose memory the host can read: kDLCPU, kDLCUDAHost, kDLROCMHost.
HOST_DEVICES = (1, 3, 11)

# Values converted at a time: keeps the temporaries of a conversion in the cache and small beside a large image.
BLOCK = 1 << 18


def load_image(
    image: object,
    *,
    color: Color = "rgb",
    value_range: ValueRange | None = None,
    layout: Layout = "hwc",
    max_pixels: int = 200_000_000,
    exif: bool | None = None,
) -> npt.NDArray[np.uint8]:
    """Read an image of any accepted kind as 8-bit RGB.

    Parameters
    ----------
    image : str, path-like, bytes-like, file object, PIL image, array or tensor
        * A path, the bytes of an image file (``bytes``, ``bytearray``, ``memoryview`` or numpy's), a file object open
          for reading in binary mode, or an object with ``read_bytes`` such as ``zipfile.Path``: any format that Pillow
          reads, except EPS, and HEIC where pillow-heif is installed (extra ``heif``). Of an animation the first frame.
          A file object is read from its position to its end; one that can seek is then put back.
        * A PIL image of any mode; of an animation the current frame.
        * A numpy array, or anything with ``__array__`` or ``__dlpack__`` whose memory the host can read, such as a
          torch tensor on the CPU: gray ``(H, W)``, or with 1 (gray), 3 (color) or 4 (color and alpha) channels where
          `layout` says.
    color : {"rgb", "bgr"}
        Order of the channels of an array; ``"bgr"`` also stands for BGRA, and means nothing for gray. Files and PIL
        images state their own order: for them ``"bgr"`` is an error.
    value_range : (0, 1) or (0, 255), optional
        What black and white are in a floating-point image (an array, or a file or PIL image of mode ``F``), for which
        it is required. For 8-bit images only (0, 255) is true, hence accepted.
    layout : {"hwc", "chw"}
        Where an array of three dimensions has its channels. It alone decides; shapes are not guessed at.
    max_pixels : int
        Images with more pixels are refused; files before they are decoded. Pillow's ``MAX_IMAGE_PIXELS`` is neither
        obeyed nor changed.
    exif : bool, optional
        Whether the EXIF orientation turns a PIL image upright. By default it does, unless the image was made from
        another by one of PIL's methods, see Notes. Files are always turned upright; arrays have no orientation.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        RGB, C-contiguous, upright. An array that already is all that is returned as it is, sharing its memory, and may
        be read-only: treat the result as such.

    Raises
    ------
    ImageError
        If the image or an argument is not accepted; the message names what was given and what is accepted. For a file
        that is missing it is also a `FileNotFoundError`, likewise a `PermissionError` or `IsADirectoryError`.

    Notes
    -----
    Every value is rounded to the nearest 8-bit value. 16-bit values are divided by 257, so that 65535 becomes 255
    (no ties occur); floating-point values are multiplied by 255 if they range to 1, in their own precision but at least
    float32, and ties go to the even value. Alpha is not premultiplied, and the image is composited on black:
    ``round(color * alpha / 255)``, after the conversion to 8 bits. Masked arrays must have no masked pixel.

    Files are turned upright by their EXIF orientation. So is the PIL image that ``Image.open`` makes of a file, as both
    are to give the same faces. PIL's methods (`rotate`, `transpose`, `convert`, `resize` …) copy the orientation tag
    into the image that they return, even where they turn the pixels. Such a copy is taken as it is: an image that its
    user has turned is not turned again, and boxes are those of the picture that was handed in. A tag that was set on
    the image itself (``image.getexif()[0x0112] = 6``) counts. ``exif=True`` obeys an inherited tag too, after
    ``convert`` say; ``exif=False`` takes every PIL image as it is.

    Palettes, CMYK, YCbCr, HSV and L*a*b* are converted by Pillow, without regard to color profiles; 16-bit color files
    are reduced by Pillow to the upper 8 bits, 16-bit gray ones as above. A transparent color (``tRNS`` in PNG) becomes
    black. Files whose tags Pillow does not obey are corrected (12-bit and white-is-zero TIFF, CMYK JPEG without Adobe's
    marker) or refused with the name of the tag (10- and 14-bit, signed, and 32-bit integer TIFF, for some).

    Damaged files are refused as far as their format reveals the damage, unless the application itself has set Pillow's
    ``LOAD_TRUNCATED_IMAGES``. Two of Pillow's readers check sizes on their own, which cannot be avoided from outside:
    WebP, and GIF if the first frame is to be cleared afterwards, are refused above twice Pillow's
    ``MAX_IMAGE_PIXELS`` (179 megapixels by default) whatever `max_pixels` is.
    """
    return load_with_size(image, color=color, value_range=value_range, layout=layout, max_pixels=max_pixels, exif=exif)[
        0
    ]


def load_with_size(
    image: object,
    *,
    color: Color = "rgb",
    value_range: ValueRange | None = None,
    layout: Layout = "hwc",
    max_pixels: int = 200_000_000,
    exif: bool | None = None,
    least_side: int | None = None,
) -> tuple[npt.NDArray[np.uint8], Size]:
    """Read an image as `load_image` does, with its size; a JPEG file may be decoded smaller than it is.

    Parameters
    ----------
    image, color, value_range, layout, max_pixels, exif
        As for `load_image`.
    least_side : int, optional
        Decode a JPEG file at a half, a quarter or an eighth of its size, as long as its longer side keeps this many
        pixels: much quicker, and the decoder averages.

    Returns
    -------
    pixels : (H, W, 3) uint8
    size : (width, height)
        Of the whole upright image.

    Raises
    ------
    ImageError
        As `load_image` raises it.
    """
    _check_arguments(color, value_range, layout, max_pixels, exif)
    size: Size | None = None
    if is_array(image):
        name = "image"
        pixels = _as_hwc(_as_array(image), layout)
    else:
        encoded, name, size = decode(image, max_pixels, exif, least_side)
        if color == "bgr":
            raise ImageError(
                f"color='bgr' was given for the {name}, which states its own order of channels; "
                "accepted: color='rgb' for files and PIL images, 'rgb' or 'bgr' for arrays"
            )
        pixels = _as_hwc(encoded, "hwc")
    check_pixels(name, pixels.shape[1], pixels.shape[0], max_pixels)
    to_bytes = _converter(pixels, value_range, name)
    size = size or (pixels.shape[1], pixels.shape[0])
    if pixels.shape[2] == 3 and pixels.dtype == np.uint8 and color == "rgb" and pixels.flags.c_contiguous:
        return pixels, size
    return _to_rgb(pixels, to_bytes, color), size


def split_batch(images: object, layout: Layout = "hwc") -> Iterable[Any]:
    """Split a batch into images for `load_image`.

    Parameters
    ----------
    images : array, tensor, iterable, or path of a folder or pattern
        An array of four dimensions (N, H, W, C) or, with ``layout="chw"``, (N, C, H, W); an array or Series of paths or
        other objects; an iterable of images of any kind; or a folder or pattern, as for `list_images`.
    layout : {"hwc", "chw"}
        Where an array has its channels.

    Returns
    -------
    iterable
        For an array, a list of N views of it, or of the N objects in it; for a folder or pattern, a list of paths. Any
        other iterable is returned as it is, not consumed.

    Raises
    ------
    ImageError
        If `images` is a single image or cannot be iterated, or a folder or pattern has no image.
    """
    _check_layout(layout)
    if is_array(images):
        array = _as_array(images)
        if array.ndim == 4:
            return list(array)
        if array.ndim == 1 and array.dtype.kind in OBJECT_KINDS:
            return elements(array)
        hint = "; for a single image use detect()" if array.ndim in (2, 3) else ""
        raise ImageError(
            f"images has shape {array.shape}; accepted: a batch of shape {BATCH_SHAPES[layout]} with "
            f"layout={layout!r}, or a list of images{hint}"
        )
    if is_single(images) or (isinstance(images, np.ndarray) and not images.ndim):
        if is_listing(images):
            return list_images(cast("str", images))
        raise ImageError(
            f"images is a single image ({type_name(images)}); accepted: a list or other iterable of images, "
            "an array of four dimensions, a folder, or a pattern such as 'photos/*.jpg'; for a single image use "
            "detect()"
        )
    if not isinstance(images, Iterable):
        raise ImageError(
            f"images is of type {type_name(images)}; accepted: a list or other iterable of images, "
            f"or an array of four dimensions; each image is {ACCEPTED}"
        )
    return images


def _check_arguments(color: object, value_range: object, layout: object, max_pixels: object, exif: object) -> None:
    if color not in ("rgb", "bgr"):
        raise ImageError(f"color is {color!r}; accepted: 'rgb' or 'bgr'")
    if value_range is not None and not _is_range(value_range):
        raise ImageError(f"value_range is {value_range!r}; accepted: (0, 1), (0, 255) or None")
    _check_layout(layout)
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, (int, np.integer)) or max_pixels < 1:
        raise ImageError(f"max_pixels is {max_pixels!r}; accepted: a whole number of at least 1")
    if exif is not None and not isinstance(exif, (bool, np.bool_)):
        raise ImageError(f"exif is {exif!r}; accepted: True, False or None")


def _check_layout(layout: object) -> None:
    if layout not in ("hwc", "chw"):
        raise ImageError(f"layout is {layout!r}; accepted: 'hwc' or 'chw'")


def _is_range(value: object) -> bool:
    if not isinstance(value, (tuple, list)) or not all(isinstance(bound, numbers.Real) for bound in value):
        return False
    return tuple(value) in ((0, 1), (0, 255))


def _as_array(image: Any) -> AnyArray:
    """View an array-like object in host memory as a numpy array, copying only where the object cannot be viewed."""
    if type(image) is np.ndarray:
        return image
    if not isinstance(image, np.ndarray):
        _check_in_host_memory(image)
    try:
        if isinstance(image, memoryview) or hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
            array = np.asarray(image)
        else:
            array = np.from_dlpack(image)
    # Foreign code: whatever it raises, this object cannot be read.
    except Exception as error:
        raise ImageError(
            f"image of type {type_name(image)} cannot be read as an array ({type(error).__name__}: {error}); "
            f"accepted: {ACCEPTED}"
        ) from error
    masked = _masked_values(image)
    if masked:
        raise ImageError(
            f"image is a masked array with {masked} masked values; "
            "accepted: an image without masked values (fill them with image.filled(0))"
        )
    return array


def _masked_values(image: Any) -> int:
    return int(np.ma.getmaskarray(image).sum()) if is_instance(image, "numpy.ma", "MaskedArray") else 0


def _check_in_host_memory(image: Any) -> None:
    device = getattr(image, "device", None)
    where = f"device {device}" if device is not None else "a device other than the host"
    message = f"image of type {type_name(image)} is on {where}; accepted: arrays and tensors in host memory (CPU)"
    if hasattr(image, "__dlpack_device__"):
        try:
            kind = int(image.__dlpack_device__()[0])
        # Tensors without memory that can be exported say so in various ways.
        except Exception as error:
            raise ImageError(f"{message} ({error})") from error
        if kind not in HOST_DEVICES:
            raise ImageError(message)
    elif hasattr(image, "__cuda_array_interface__"):
        raise ImageError(message)


def _as_hwc(array: AnyArray, layout: Layout) -> AnyArray:
    """View an array as (H, W, C)."""
    if array.ndim == 2:
        return array[:, :, np.newaxis]
    hint = ""
    if array.ndim == 3:
        first, _, last = array.shape
        given, other = (last, first) if layout == "hwc" else (first, last)
        if given in CHANNELS:
            return array if layout == "hwc" else array.transpose(1, 2, 0)
        hint = f", which makes {given} channels"
        if other in CHANNELS:
            swapped = "chw" if layout == "hwc" else "hwc"
            hint += f" (for channels {'first' if swapped == 'chw' else 'last'} pass layout={swapped!r})"
    elif array.ndim == 4:
        hint = " (for a batch use detect_batch())"
    elif array.ndim == 1 and array.dtype == np.uint8:
        hint = " (to decode the bytes of a file pass image.tobytes())"
    elif array.ndim == 1 and array.dtype.kind in OBJECT_KINDS:
        hint = " (for several images use detect_batch())"
    raise ImageError(f"image has shape {array.shape} with layout={layout!r}{hint}; accepted: {SHAPES[layout]}")


def _converter(pixels: AnyArray, value_range: ValueRange | None, name: str) -> Callable[[AnyArray], AnyArray]:
    """Find the function that brings values of this image's type to 8 bits, after checking what must be checked."""
    dtype = pixels.dtype
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return _float_converter(pixels, value_range, name)
    if dtype == np.uint8:
        if value_range is None or tuple(value_range) == (0, 255):
            return lambda block: block
        raise ImageError(
            f"value_range={value_range!r} was given for the {name}, whose 8-bit values range from 0 to 255; "
            "accepted: None or (0, 255); value_range=(0, 1) is for floating-point images"
        )
    if dtype.kind == "u" and dtype.itemsize == 2:
        if value_range is None:
            return lambda block: ((block.astype(np.uint32) + 128) // 257).astype(np.uint8)
        raise ImageError(
            f"value_range={value_range!r} was given for the {name}, whose 16-bit values range from 0 to 65535; "
            "accepted: None; for 16-bit values of 0-255 pass image.astype('uint8')"
        )
    hint = ""
    if dtype.kind == "b":
        hint = "; for a mask pass image.astype('uint8') * 255"
    elif dtype.kind in "iu":
        hint = "; for values of 0-255 pass image.astype('uint8')"
    raise ImageError(f"{name} has dtype {dtype}; accepted: {DTYPES}{hint}")


def _float_converter(pixels: AnyArray, value_range: ValueRange | None, name: str) -> Callable[[AnyArray], AnyArray]:
    dtype = pixels.dtype
    if value_range is None:
        raise ImageError(
            f"value_range was not given for the {name}, which has dtype {dtype}; "
            "accepted: value_range=(0, 1) or value_range=(0, 255), whichever is true"
        )
    top = value_range[1]
    with np.errstate(invalid="ignore"):
        # Which zero is the least of 0 and -0 depends on how the array lies in memory.
        low, high = (value if value else dtype.type(0) for value in (pixels.min(), pixels.max()))
    if not (low >= 0 and high <= top):
        finite = bool(np.isfinite([low, high]).all())
        found = f"from {_in_full(low)} to {_in_full(high)}" if finite else "that are not finite (NaN or infinity)"
        raise ImageError(
            f"{name} has values {found} with value_range={value_range!r}; "
            f"accepted: finite values from 0 to {top:g} (clip them if they are meant to be in range)"
        )
    precision = np.promote_types(dtype, np.float32)
    factor = precision.type(255 / top)
    return lambda block: np.rint(block.astype(precision) * factor).astype(np.uint8)


def _in_full(value: Any) -> str:
    """Write a number with the digits that tell it from every other of its type."""
    short = f"{value:g}"
    return short if type(value)(short) == value else str(value)


def _to_rgb(pixels: AnyArray, to_bytes: Callable[[AnyArray], AnyArray], color: Color) -> npt.NDArray[np.uint8]:
    """Convert an (H, W, C) image to RGB, a few rows at a time so that temporaries stay small."""
    height, width, channels = pixels.shape
    rgb = np.empty((height, width, 3), np.uint8)
    order = (0, 0, 0) if channels == 1 else (2, 1, 0) if color == "bgr" else (0, 1, 2)
    rows = max(1, BLOCK // (width * channels))
    for start in range(0, height, rows):
        block = to_bytes(pixels[start : start + rows])
        if channels == 4:
            # Exact rounding of color * alpha / 255: an odd divisor leaves no ties, and 255 * 255 + 127 fits 16 bits.
            block = (block[:, :, :3].astype(np.uint16) * block[:, :, 3:] + 127) // 255
        for plane, source in enumerate(order):
            rgb[start : start + rows, :, plane] = block[:, :, source]
    return rgb
