"""Files that are there whole or not at all, whenever the process is killed or the disk is full; which are images."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

#: Endings of the files that are taken from a folder. A file that is named itself may be called anything.
_ENDINGS = "avif bmp dib gif j2k jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
IMAGE_SUFFIXES = tuple(f".{ending}" for ending in _ENDINGS.split())


def partial_path(target: Path) -> Path:
    """Return the name beside a file under which it is written until it is complete."""
    # Not made of the target's name, which may be as long as the file system accepts.
    return target.with_name(f".{os.getpid()}.{abs(hash(target.name)):x}.partial")


def written_whole(path: str | os.PathLike[str], data: bytes, *, sync: bool = True) -> None:
    """Write a file under another name beside it, bring it to the disk, then give it its name.

    Parameters
    ----------
    path : path-like or str
        An earlier file of this name is replaced.
    data : bytes
    sync : bool
        Whether to wait until the disk has the data, so that the file outlives a crash of the system too.

    Raises
    ------
    OSError
        If the file cannot be written; nothing of it is left then, and an earlier one stays.
    """
    with whole_file(path, sync=sync) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file that gets its name when the block ends; arguments and errors are those of `written_whole`.

    Yields
    ------
    file : binary file
        To write to. If the block raises, nothing is left of it.
    """
    target = Path(path)
    partial = partial_path(target)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike[str], text: str, *, sync: bool = True) -> None:
    """Write text as UTF-8, whole or not at all; `sync` is that of `written_whole`."""
    written_whole(path, text.encode(), sync=sync)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON, whole or not at all."""
    written_whole(path, (json.dumps(value, indent=2) + "\n").encode())
