"""Inputs of a batch, found once and cut into shards: folders, lists, single files, tars and Parquet files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

from mtcnn_fast.checks import Count
from mtcnn_fast.distributed.containers import parquet_shards, tar_shard
from mtcnn_fast.distributed.stores import open_location, url_of
from mtcnn_fast.distributed.tables import Shard
from mtcnn_fast.errors import DataError
from mtcnn_fast.files import IMAGE_SUFFIXES

LISTS = (".txt", ".lst", ".list")
COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")

ACCEPTED = (
    "an image file, a folder, a pattern, a list of paths (.txt, .lst), an uncompressed .tar or a .parquet file, "
    "as a path or a URL that fsspec opens"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Where a shard of single files ends; a tar and a row group of a Parquet file are shards as they are.

    Attributes
    ----------
    images : int
        Most images.
    bytes : int
        Most bytes of them, where they are known; one image more where it is larger alone.
    """

    images: int = 2000
    bytes: int = 256_000_000

    def __post_init__(self) -> None:
        Count()("shard_images", self.images)
        Count()("shard_bytes", self.bytes)


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int | None
    tag: str | None


def find_shards(
    inputs: Sequence[str], limits: Limits, *, prefix: str, bytes_column: str | None, key_column: str | None
) -> Iterator[Shard]:
    """Cut inputs into shards, while at most one shard is held.

    Parameters
    ----------
    inputs : sequence of str
        See `ACCEPTED`; folders are searched to any depth. Each listed input is one, however often it is listed.
    limits : Limits
    prefix : str
        Where the results go: what lies there is no input.
    bytes_column, key_column : str or None
        See `mtcnn_fast.distributed.plan`.

    Yields
    ------
    Shard

    Raises
    ------
    DataError
        If an input does not exist, or is of a kind that is not accepted.
    """
    waiting: list[_File] = []
    weight = 0
    for filesystem, path, info in _all_files(inputs, prefix):
        lower = path.lower()
        if lower.endswith(COMPRESSED_TARS):
            raise DataError(f"is a compressed tar, which has no places to begin at; accepted: {ACCEPTED}", path)
        if lower.endswith(".tar"):
            yield tar_shard(filesystem, path, tag_of(info))
        elif lower.endswith(".parquet"):
            yield from parquet_shards(filesystem, path, tag_of(info), bytes_column, key_column)
        else:
            file = _File(url_of(filesystem, path), info.get("size"), tag_of(info))
            size = file.size or 0
            if waiting and (len(waiting) == limits.images or weight + size > limits.bytes):
                yield _of_files(waiting)
                waiting, weight = [], 0
            waiting.append(file)
            weight += size
    if waiting:
        yield _of_files(waiting)


def tag_of(info: Any) -> str | None:
    """Return what changes when a file does: an entity tag, or else a modification time; None where neither is known."""
    for name in ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated"):
        if info.get(name) is not None:
            return str(info[name])
    return None


def _all_files(inputs: Sequence[str], prefix: str) -> Iterator[tuple[Any, str, Any]]:
    for given in inputs:
        filesystem, path = open_location(given)
        if filesystem.isdir(path):
            yield from _folder(filesystem, path, given, prefix)
        elif filesystem.exists(path):
            if path.lower().endswith(LISTS):
                yield from _listed(filesystem, path)
            else:
                yield filesystem, path, filesystem.info(path)
        else:
            yield from _pattern(filesystem, path, given)


def _folder(filesystem: Any, folder: str, given: str, prefix: str) -> Iterator[tuple[Any, str, Any]]:
    found = False
    for where, folders, files in filesystem.walk(folder, detail=True, on_error="raise"):
        # Links to folders could lead round in a circle.
        for name in [name for name, info in folders.items() if name.startswith(".") or info.get("islink")]:
            del folders[name]
        if url_of(filesystem, where) == prefix:
            folders.clear()
            continue
        # The order of a walk is that of this dict.
        for name in sorted(folders):
            folders[name] = folders.pop(name)
        for name in sorted(files):
            taken = name.lower().endswith((*IMAGE_SUFFIXES, ".tar", ".parquet")) and not name.startswith(".")
            if taken and files[name].get("type") == "file":
                found = True
                yield filesystem, files[name]["name"], files[name]
    if not found:
        raise DataError(f"there is no image, .tar or .parquet file in {given!r}")


def _pattern(filesystem: Any, path: str, given: str) -> Iterator[tuple[Any, str, Any]]:
    matches = filesystem.glob(path, detail=True) if any(sign in path for sign in "*?[") else {}
    files = {name: info for name, info in matches.items() if info["type"] == "file"}
    if not files:
        raise DataError(f"{given!r} does not exist, or matches no file; accepted: {ACCEPTED}")
    for name in sorted(files):
        yield filesystem, name, files[name]


def _listed(filesystem: Any, path: str) -> Iterator[tuple[Any, str, Any]]:
    """Yield the files of a list without asking for each: one that is missing gets its row, and the reason there."""
    folder = url_of(filesystem, path).rpartition("/")[0]
    with filesystem.open(path, "rb") as lines:
        for line in lines:
            name = os.fsdecode(line).rstrip("\r\n")
            if name:
                whole = name if "://" in name or name.startswith("/") else f"{folder}/{name}"
                yield *open_location(whole), {}


def _of_files(files: list[_File]) -> Shard:
    texts, raw = zip(*(_as_text(file.path) for file in files), strict=True)
    return Shard(
        "files",
        list(texts),
        list(raw),
        [0] * len(files),
        [file.size for file in files],
        [file.tag for file in files],
    )


def _as_text(path: str) -> tuple[str, bytes | None]:
    """Return a path as valid text, and its bytes where that is not enough to open it."""
    try:
        path.encode()
        return path, None
    except UnicodeEncodeError:
        return os.fsencode(path).decode(errors="backslashreplace"), os.fsencode(path)
