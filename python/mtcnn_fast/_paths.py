"""What lies at a path; of a name that no file can have, nothing."""

from __future__ import annotations

import os
from pathlib import Path

StrPath = str | os.PathLike[str]

# Before Python 3.14 the methods of `pathlib.Path` raise OSError for names that are too long.


def is_file(path: StrPath) -> bool:
    """Tell whether a regular file, or a link to one, is there."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: StrPath) -> bool:
    """Tell whether a folder, or a link to one, is there."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: StrPath) -> bool:
    """Tell whether anything is there."""
    return os.path.exists(path)  # noqa: PTH110


def matching(folder: StrPath, pattern: str) -> list[Path]:
    """Return what in a folder matches a pattern, sorted; nothing where there is no folder."""
    return sorted(Path(folder).glob(pattern)) if is_folder(folder) else []
