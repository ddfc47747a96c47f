"""What the paths on a command line stand for: files, folders, patterns and standard input."""

# Paths stay the text that was given, as they are printed again; `Path` would rewrite "./a", "a//b" and "".
# ruff: noqa: PTH100, PTH109, PTH120

from __future__ import annotations

import dataclasses
import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtcnn_fast._paths import exists, is_file, is_folder
from mtcnn_fast.cli.streams import stream_problem
from mtcnn_fast.errors import ImageError
from mtcnn_fast.listing import Listing, Source

if TYPE_CHECKING:
    from mtcnn_fast._types import Image

STDIN = "-"


@dataclasses.dataclass(slots=True)
class Inputs:
    """The files that a command line names, found anew each time they are gone through, so that none are held.

    Attributes
    ----------
    arguments : sequence of str
        Files, folders, patterns such as ``photos/*.jpg``, and ``-`` for standard input.
    recursive : bool
        Whether the folders within folders are searched too. Links to folders are not followed.
    is_output : callable
        Tells whether a file in a folder, or matched by a pattern, is a picture that an earlier run wrote.
    skipped : dict of str to list of str
        Files of folders and patterns that were left out, by the reason.
    """

    arguments: Sequence[str]
    recursive: bool
    is_output: Callable[[str], bool] = lambda path: False
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Source]:
        self.skipped.clear()
        listing = Listing(self.recursive, self.is_output, self.skipped, deeper_hint="-r searches those within it too")
        for argument in self.arguments:
            if argument == STDIN and not is_folder(argument):
                yield Source(argument)
            else:
                yield from listing.sources(argument)

    def common_folder(self) -> str:
        """Return the innermost folder that all inputs lie in, as an absolute path."""
        anchors = [_anchor(argument) for argument in self.arguments if argument != STDIN]
        return os.path.commonpath(anchors) if anchors else os.getcwd()


def _anchor(argument: str) -> str:
    path = os.path.abspath(argument)
    if is_folder(path):
        return path
    folder = os.path.dirname(path)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def read_source(path: str, max_pixels: int) -> Image:
    """Read the image that a path stands for.

    Raises
    ------
    ImageError
        If it cannot be read or is no image.
    """
    from mtcnn_fast.images import load_image

    if path == STDIN:
        try:
            data = sys.stdin.buffer.read()
        except OSError as error:
            raise ImageError(f"standard input cannot be read ({stream_problem(error)})") from error
        return load_image(data, max_pixels=max_pixels)
    if is_file(path) or not exists(path):
        return load_image(path, max_pixels=max_pixels)
    # A named pipe or the like cannot be wound back, as a reader of images does.
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path!r} cannot be read ({error.strerror})") from error
    return load_image(data, max_pixels=max_pixels)
