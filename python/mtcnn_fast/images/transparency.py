"""The one color that a file may declare transparent, compared in the precision in which the file states it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._types import AnyArray, Bools

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image as PILImage

#: Pillow's names for gray PNG files of few bits, and the factor that brings their values to 0-255.
FEW_BITS = {"L;2": 85, "L;4": 17}

#: Pillow's name for color PNG files of 16 bits, and the one that takes the other byte of each value.
HIGH_BYTES, LOW_BYTES = "RGB;16B", "RGB;16L"

KEYED_MODES = frozenset({"1", "L", "RGB", "I", "I;16"})
UNPACKED_BITS = {"1": 1, "L;2": 2, "L;4": 4, HIGH_BYTES: 16, "I;16B": 16}


class TransparentColor:
    """The transparent color of an image without an alpha channel.

    Made before the image is loaded, as Pillow forgets afterwards how many bits the file has.

    Parameters
    ----------
    image : PIL.Image.Image
    """

    def __init__(self, image: PILImage.Image) -> None:
        key = image.info.get("transparency")
        kind = tuple if image.mode == "RGB" else int
        self.key: Any = key if image.mode in KEYED_MODES and isinstance(key, kind) else None
        self._low_bytes: AnyArray | None = None
        self._rawmode = _rawmode(image) if image.format == "PNG" else None
        if self.key is None or self._rawmode is None:
            return
        # Of values with fewer bits than the 16 in which the key is written, only the lower bits count.
        mask = (1 << UNPACKED_BITS.get(self._rawmode, 8)) - 1
        if isinstance(self.key, tuple):
            self.key = tuple(int(value) & mask for value in self.key)
        elif image.mode != "1":
            self.key = (int(self.key) & mask) * FEW_BITS.get(self._rawmode, 1)

    @property
    def needs_low_bytes(self) -> bool:
        """Whether the key has more bits than the image that Pillow makes of the file."""
        return self.key is not None and self._rawmode == HIGH_BYTES

    def read_low_bytes(self, file: IO[bytes] | None, open_file: Callable[[IO[bytes]], PILImage.Image]) -> None:
        """Decode a 16-bit color PNG once more, for the lower byte of each value.

        Parameters
        ----------
        file : binary file object
            The whole file; its position is left as it was.
        open_file : callable
            Reads a file's header, as ``PIL.Image.open`` does.
        """
        if file is None:
            raise ValueError("the file is closed")
        position = file.tell()
        try:
            file.seek(0)
            again: Any = open_file(file)
            again.tile = [(*tile[:3], LOW_BYTES) for tile in _tiles(again)]
            again.load()
            self._low_bytes = np.asarray(again)
        finally:
            file.seek(position)

    def black_out(self, pixels: AnyArray) -> AnyArray:
        """Return gray or color pixels with the transparent color on black, as compositing on black gives it."""
        if self.key is None:
            return pixels
        found: Bools
        if pixels.ndim == 2:
            found = pixels == self.key
        elif self._low_bytes is not None:
            values = pixels.astype(np.uint16) << 8 | self._low_bytes
            found = (values == np.array(self.key, np.uint16)).all(axis=2)
        else:
            found = (pixels == np.array(self.key)).all(axis=2)
        if not found.any():
            return pixels
        result = pixels.copy()
        result[found] = 0
        return result


def _tiles(image: PILImage.Image) -> list[Any]:
    return list(getattr(image, "tile", ()))


def _rawmode(image: PILImage.Image) -> str | None:
    tiles = _tiles(image)
    if not tiles:
        return None
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)
