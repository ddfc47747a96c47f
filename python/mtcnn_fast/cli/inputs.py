"""What the paths on a command line stand for: files, folders, patterns and standard input."""

# Paths stay the text that was given, as they are printed again; `Path` would rewrite "./a", "a//b" and "".
# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH113, PTH116, PTH118, PTH120, PTH207

from __future__ import annotations

import dataclasses
import glob
import importlib.util
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtcnn_fast.cli.streams import stream_problem
from mtcnn_fast.errors import ImageError
from mtcnn_fast.files import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from mtcnn_fast._types import Image

STDIN = "-"

SUFFIXES = frozenset(IMAGE_SUFFIXES)

#: Endings of files that need an optional package.
HEIF_SUFFIXES = frozenset({".heic", ".heif"})


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A path to read an image from, or what is wrong with it."""

    path: str
    error: str | None = None


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
        for argument in self.arguments:
            if os.path.isdir(argument):
                yield from self._folder(argument)
            elif argument != STDIN and not os.path.lexists(argument) and glob.has_magic(argument):
                yield from self._pattern(argument)
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
            for path in (os.path.join(where, name) for name in sorted(names) if not name.startswith(".")):
                suffix = Path(path).suffix.lower()
                if suffix in SUFFIXES | HEIF_SUFFIXES:
                    found = True
                    if not self._skips(path, suffix):
                        yield Source(path)
        for problem in problems:
            yield Source(str(problem.filename), f"the folder cannot be read ({problem.strerror})")
        if not found and not problems:
            hint = " itself; -r searches those within it too" if deeper and not self.recursive else ""
            yield Source(folder, f"there is no image in the folder{hint}")

    def _pattern(self, pattern: str) -> Iterator[Source]:
        matches = sorted(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
        if not matches:
            yield Source(pattern, "no file matches the pattern")
        for path in matches:
            if not self._skips(path, ""):
                yield Source(path)

    def _skips(self, path: str, suffix: str) -> bool:
        """Tell whether a file that was found, not named, is left out; note the reason."""
        reason = None
        if _is_special(path):
            reason = "not a regular file, which is read only if it is named"
        elif suffix in HEIF_SUFFIXES and importlib.util.find_spec("pillow_heif") is None:
            reason = "HEIC, which needs pillow-heif: pip install 'mtcnn-fast[heif]'"
        elif self.is_output(path):
            reason = "written by an earlier run, and read only if it is named"
        if reason is not None:
            self.skipped.setdefault(reason, []).append(path)
        return reason is not None

    def common_folder(self) -> str:
        """Return the innermost folder that all inputs lie in, as an absolute path."""
        anchors = [_anchor(argument) for argument in self.arguments if argument != STDIN]
        return os.path.commonpath(anchors) if anchors else os.getcwd()


def _is_special(path: str) -> bool:
    """Tell whether a path is a pipe, a socket or a device; reading one may wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # A link to nothing, say: reading it tells what is wrong.
        return False
    return not stat.S_ISREG(mode)


def _anchor(argument: str) -> str:
    path = os.path.abspath(argument)
    if os.path.isdir(path):
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
    if os.path.isfile(path) or not os.path.exists(path):
        return load_image(path, max_pixels=max_pixels)
    # A named pipe or the like cannot be wound back, as a reader of images does.
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path!r} cannot be read ({error.strerror})") from error
    return load_image(data, max_pixels=max_pixels)
