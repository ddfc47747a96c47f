"""The image files that a folder or a pattern stands for."""

# Paths stay the text that was given, as they are printed again; `Path` would rewrite "./a", "a//b" and "".
# ruff: noqa: PTH116, PTH118, PTH207

from __future__ import annotations

import dataclasses
import glob
import importlib.util
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from mtcnn_fast._paths import is_folder
from mtcnn_fast.errors import ImageError, file_error, missing_file
from mtcnn_fast.files import IMAGE_SUFFIXES

SUFFIXES = frozenset(IMAGE_SUFFIXES)

#: Endings of files that need an optional package.
HEIF_SUFFIXES = frozenset({".heic", ".heif"})


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A path to read an image from, or what is wrong with it."""

    path: str
    error: str | None = None


@dataclasses.dataclass(slots=True)
class Listing:
    """Finds the image files of folders and patterns.

    Attributes
    ----------
    recursive : bool
        Whether the folders within folders are searched too. Links to folders are not followed.
    is_output : callable
        Tells whether a file in a folder, or matched by a pattern, is a picture that an earlier run wrote.
    skipped : dict of str to list of str
        Files of folders and patterns that were left out, by the reason.
    skips_heif : bool
        Whether HEIC and AVIF files are left out where nothing here reads them.
    deeper_hint : str
        How a caller asks for the folders within a folder, for the error of one without an image.
    """

    recursive: bool
    is_output: Callable[[str], bool] = lambda path: False
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    skips_heif: bool = True
    deeper_hint: str = "recursive=True searches those within it too"

    def sources(self, path: str) -> Iterator[Source]:
        """Yield the files of a folder or a pattern in the order of their names; any other path as it is."""
        if is_folder(path):
            return self._folder(path)
        return self._pattern(path) if is_pattern(path) else iter([Source(path)])

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
            hint = f" itself; {self.deeper_hint}" if deeper and not self.recursive else ""
            yield Source(folder, f"there is no image in the folder{hint}")

    def _pattern(self, pattern: str) -> Iterator[Source]:
        matches = sorted(path for path in glob.iglob(pattern, recursive=True) if not is_folder(path))
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
        elif self.skips_heif and suffix in HEIF_SUFFIXES and importlib.util.find_spec("pillow_heif") is None:
            reason = "HEIC, which needs pillow-heif: pip install 'mtcnn-fast[heif]'"
        elif self.skips_heif and suffix == ".avif" and not _reads_avif():
            reason = "AVIF, which needs Pillow 11.3 or later"
        elif self.is_output(path):
            reason = "written by an earlier run, and read only if it is named"
        if reason is not None:
            self.skipped.setdefault(reason, []).append(path)
        return reason is not None


def is_pattern(path: str) -> bool:
    """Tell whether a path is a pattern such as ``photos/*.jpg``, and not the name of a file."""
    return not os.path.lexists(path) and glob.has_magic(path)


def is_listing(images: object) -> bool:
    """Tell whether a value is the path of a folder, or a pattern."""
    if not isinstance(images, (str, os.PathLike)):
        return False
    path = os.fsdecode(images)
    return is_folder(path) or is_pattern(path)


def list_images(path: str | os.PathLike[str], *, recursive: bool = False) -> list[str]:
    """List the image files of a folder or a pattern, in the order in which `Detector.detect_batch` takes them.

    Parameters
    ----------
    path : str or path-like
        A folder, whose files with an image's ending are taken; or a pattern such as ``photos/**/*.jpg``, as for
        `glob.glob`, of which every file is taken. Hidden files are left out, and what is no regular file.
    recursive : bool
        Whether the folders within a folder are searched too. Links to folders are not followed.

    Returns
    -------
    list of str
        In the order of their names within each folder. HEIC files are among them, also where the package that reads
        them is missing.

    Raises
    ------
    ImageError
        If there is no image, or a folder cannot be read. For a missing path it is also a `FileNotFoundError`.
    """
    listing = Listing(recursive, skips_heif=False)
    text = os.fsdecode(path)
    if not is_listing(text) and not os.path.lexists(text):
        message = f"{text!r} does not exist; accepted: a folder of images, or a pattern"
        raise file_error(ImageError, missing_file(text), message)
    found = []
    for source in listing.sources(text):
        if source.error is not None:
            message = f"{source.path!r}: {source.error}"
            raise file_error(ImageError, missing_file(text), message) if is_pattern(text) else ImageError(message)
        found.append(source.path)
    return found


def _reads_avif() -> bool:
    from PIL import Image

    Image.init()
    return "AVIF" in Image.OPEN


def _is_special(path: str) -> bool:
    """Tell whether a path is a pipe, a socket or a device; reading one may wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # A link to nothing, say: reading it tells what is wrong.
        return False
    return not stat.S_ISREG(mode)
