"""Videos that are pictures to Pillow: animated GIF, WebP, PNG and AVIF, and sequences of image files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from mtcnn_fast._paths import exists, is_file, is_folder
from mtcnn_fast.errors import ImageError, VideoError
from mtcnn_fast.images import load_image
from mtcnn_fast.video.frames import Decoded, Still
from mtcnn_fast.video.reader import Damage

#: Frames a second of a sequence of images for which none is given.
SEQUENCE_RATE = 25

#: Endings of the files of a folder that are a sequence.
_NAMES = "avif bmp gif jpeg jpg jp2 png ppm tga tif tiff webp"
ENDINGS = frozenset(f".{name}" for name in _NAMES.split())

_MILLISECOND = Fraction(1, 1000)

#: What browsers take for a frame that names no time, or one too short to be meant.
_DEFAULT_MS, _LEAST_MS = 100, 11

_SIGNATURES = (b"GIF8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def is_picture(head: bytes) -> bool:
    """Tell by a file's first 16 bytes whether Pillow, not a video decoder, is to read it."""
    if head[4:12] in (b"ftypavis", b"ftypavif"):
        return True
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def sequence_paths(source: str) -> list[str] | None:
    """Return the files of a sequence in their order, or None if the path names none.

    Parameters
    ----------
    source : str
        A folder, a pattern such as ``frames/*.png``, or a numbered name such as ``frames/%05d.png``.

    Raises
    ------
    VideoError
        If there is no such file.
    """
    path = Path(source)
    if is_folder(path):
        found = [str(file) for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file()]
    elif exists(path):
        return None
    elif re.search(r"%0?\d*d", path.name):
        first, width, last = re.split(r"%0?(\d*)d", path.name, maxsplit=1)
        digits = rf"\d{{{int(width)},}}" if width else r"\d+"
        name = re.compile(re.escape(first) + digits + re.escape(last))
        found = [str(file) for file in path.parent.glob("*") if name.fullmatch(file.name)]
    elif glob.has_magic(source) and "://" not in source:
        found = [file for file in glob.glob(source, recursive=True) if is_file(file)]  # noqa: PTH207
    else:
        return None
    if not found:
        raise VideoError(f"{source}: there is no image file")
    return sorted(found, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    """Order numbers within names by their value."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)]


class _Stills:
    """What animations and sequences have in common with `mtcnn_fast.video.reader.AvReader`."""

    is_live = False

    def __init__(self, start: float | None, stop: float | None, max_pixels: int) -> None:
        self._start, self._stop = start, stop
        self._max_pixels = max_pixels
        self.damage = Damage()
        self.sounds: list[Any] = []

    def _wanted(self, seconds: float) -> bool:
        return self._start is None or seconds >= self._start

    def _is_over(self, seconds: float) -> bool:
        return self._stop is not None and seconds >= self._stop

    def cancel(self) -> None:
        """Do nothing: the next frame comes soon."""

    def close(self) -> None:
        """Close what is open."""


class ImageSequence(_Stills):
    """Image files as the frames of a video.

    Parameters
    ----------
    paths : sequence of path-like or str
    fps : float or None
        Frames a second; `SEQUENCE_RATE` if None.
    start, stop : float or None
        Seconds.
    max_pixels : int
        Larger images are skipped.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        fps: float | None,
        start: float | None,
        stop: float | None,
        max_pixels: int,
    ) -> None:
        super().__init__(start, stop, max_pixels)
        self._paths = paths
        step = 1 / Fraction(SEQUENCE_RATE if fps is None else fps).limit_denominator(1001)
        self._step = step
        self.rate: Fraction | None = 1 / step
        self.duration: float | None = float(len(paths) * step)

    @property
    def frames(self) -> int | None:
        """How many frames are read."""
        return sum(
            self._wanted(t) and not self._is_over(t) for t in (float(n * self._step) for n in range(len(self._paths)))
        )

    def __iter__(self) -> Iterator[Decoded]:
        """Yield the images that can be read; the others are reported."""
        for index, path in enumerate(self._paths):
            seconds = float(index * self._step)
            if self._is_over(seconds):
                return
            if not self._wanted(seconds):
                continue
            try:
                image = load_image(path, max_pixels=self._max_pixels)
            except ImageError as error:
                self.damage.report(f"frame {index}: {os.fspath(path)}", error)
                continue
            yield Decoded(index, seconds, Still(image), index, self._step, 1)


class Animation(_Stills):
    """An animated GIF, WebP, PNG or AVIF; a picture that is not animated is one frame.

    Parameters
    ----------
    source : str or file object
    name : str
        What messages call it.
    start, stop : float or None
        Seconds.
    max_pixels : int
        A larger animation is refused.

    Raises
    ------
    VideoError
        If it cannot be opened.
    """

    def __init__(self, source: Any, name: str, start: float | None, stop: float | None, max_pixels: int) -> None:
        from PIL import Image

        super().__init__(start, stop, max_pixels)
        self._name = name
        try:
            self._image = Image.open(source)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise VideoError(f"{name}: cannot be opened as an animation ({error})") from error
        if self._image.width * self._image.height > max_pixels:
            size = f"{self._image.width} x {self._image.height}"
            self._image.close()
            raise VideoError(f"{name}: must have at most max_pixels={max_pixels} pixels a frame, has {size}")
        self._count = getattr(self._image, "n_frames", 1)
        self.rate: Fraction | None = None
        self.duration: float | None = None

    @property
    def frames(self) -> int | None:
        """How many frames are read, where all are."""
        return self._count if self._start is None and self._stop is None else None

    def __iter__(self) -> Iterator[Decoded]:
        """Yield the frames, up to the first that is damaged: those after it are drawn upon it."""
        elapsed = 0
        for index in range(self._count):
            seconds = elapsed / 1000
            if self._is_over(seconds):
                return
            try:
                self._image.seek(index)
                shown = self._image.copy()
            except (OSError, EOFError, ValueError, SyntaxError) as error:
                self.damage.report(f"{self._name}: frame {index} at {seconds:.3f} s is damaged", error)
                break
            time = round(self._image.info.get("duration", 0) or 0)
            time = time if time >= _LEAST_MS else _DEFAULT_MS
            if self._wanted(seconds):
                image = load_image(shown, max_pixels=self._max_pixels)
                yield Decoded(index, seconds, Still(image), elapsed, _MILLISECOND, time)
            elapsed += time
        if not elapsed:
            raise VideoError(f"{self._name}: no frame can be decoded")

    def close(self) -> None:
        """Close the file."""
        self._image.close()
