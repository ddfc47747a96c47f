"""HEIC, and AVIF where Pillow does not read it, by the optional package pillow-heif."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from mtcnn_fast.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image as PILImage

# Brands of still images in the ``ftyp`` box that a file begins with: ISO/IEC 23008-12:2022, section 10.
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"hevc", b"hevx", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})


def is_heif(prefix: bytes) -> bool:
    """Tell whether the first bytes of a file, at least 12, are those of a HEIC or AVIF image."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in HEIC_BRANDS | AVIF_BRANDS


def open_heif(file: IO[bytes], name: str) -> PILImage.Image:
    """Open an image that no plug-in of Pillow's reads; nothing is registered with Pillow.

    Parameters
    ----------
    file : binary file object
        The whole file, whatever its position.
    name : str
        What error messages call the image.

    Raises
    ------
    ImageError
        If it cannot be read, or what reads it is not installed.
    """
    file.seek(0)
    avif = file.read(12)[8:12] in AVIF_BRANDS
    file.seek(0)
    if avif:
        raise ImageError(
            f"{name} is an AVIF image, which this Pillow does not read; accepted: AVIF with Pillow 11.3 or later "
            "(pip install --upgrade pillow), JPEG, PNG, WebP, ..."
        )
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        raise ImageError(
            f"{name} is a HEIC image, which needs pillow-heif ({error}); accepted: HEIC with "
            "pip install 'mtcnn-fast[heif]', JPEG, PNG, WebP, ..."
        ) from error
    try:
        image: PILImage.Image = HeifImageFile(file, "")
    # Whatever the library raises, the file cannot be read.
    except Exception as error:
        raise ImageError(
            f"{name} is a HEIC image that cannot be decoded ({type(error).__name__}: {error}); "
            "accepted: a complete, undamaged image"
        ) from error
    return image
