"""What the paths on a command line stand for: files, folders, patterns and standard input."""

# Paths stay the text that was given, as they are printed again; `Path` would rewrite "./a", "a//b" and "".
# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH113, PTH118, PTH120, PTH207

from __future__ import annotations

import dataclasses
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image

STDIN = "-"

#: Endings of the files that are taken from a folder. A file that is named itself may be called anything.
ENDINGS = "avif bmp dib gif j2k jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset(f".{ending}" for ending in ENDINGS.split())


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A path to read an image from, or what is wrong with it."""

    path: str
    error: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a command line names, found anew each time they are gone through, so that none are held.

    Attributes
    ----------
    arguments : sequence of str
        Files, folders, patterns such as ``photos/*.jpg``, and ``-`` for standard input.
    recursive : bool
        Whether the folders within folders are searched too. Links to folders are not followed.
    """

    arguments: Sequence[str]
    recursive: bool

    def __iter__(self) -> Iterator[Source]:
        for argument in self.arguments:
            if os.path.isdir(argument):
                yield from self._folder(argument)
            elif argument != STDIN and not os.path.lexists(argument) and glob.has_magic(argument):
                yield from _pattern(argument)
            else:
                yield Source(argument)

    def _folder(self, folder: str) -> Iterator[Source]:
        found = False
        deeper = False
        problems: list[OSError] = []
        for where, folders, names in os.walk(folder, onerror=problems.append):
            visible = sorted(name for name in folders if not name.startswith("."))
            deeper = deeper or bool(visible)
            folders[:] = visible if self.recursive else []
            for name in sorted(names):
                if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                    found = True
                    yield Source(os.path.join(where, name))
        for problem in problems:
            yield Source(str(problem.filename), f"the folder cannot be read ({problem.strerror})")
        if not found and not problems:
            hint = " itself; -r searches those within it too" if deeper and not self.recursive else ""
            yield Source(folder, f"there is no image in the folder{hint}")

    def common_folder(self) -> str:
        """Return the innermost folder that all inputs lie in, as an absolute path."""
        anchors = [_anchor(argument) for argument in self.arguments if argument != STDIN]
        return os.path.commonpath(anchors) if anchors else os.getcwd()


def _pattern(pattern: str) -> Iterator[Source]:
    files = sorted(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
    if not files:
        yield Source(pattern, "no file matches the pattern")
    for path in files:
        yield Source(path)


def _anchor(argument: str) -> str:
    path = os.path.abspath(argument)
    if os.path.isdir(path):
        return path
    folder = os.path.dirname(path)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def read_source(path: str, max_pixels: int) -> npt.NDArray[np.uint8]:
    """Read the image that a path stands for.

    Raises
    ------
    ImageError
        If it cannot be read or is no image.
    """
    if path == STDIN:
        return load_image(sys.stdin.buffer.read(), max_pixels=max_pixels)
    if os.path.isfile(path) or not os.path.exists(path):
        return load_image(path, max_pixels=max_pixels)
    # A named pipe or the like cannot be wound back, as a reader of images does.
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path!r} cannot be read ({error.strerror})") from error
    return load_image(data, max_pixels=max_pixels)
