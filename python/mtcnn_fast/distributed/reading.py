"""The bytes of a shard's inputs, in their order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from mtcnn_fast.distributed.containers import parquet_bytes, tar_bytes
from mtcnn_fast.distributed.listing import tag_of
from mtcnn_fast.distributed.stores import is_local, open_location
from mtcnn_fast.distributed.tables import Shard
from mtcnn_fast.errors import DataError, ImageError

T = TypeVar("T")

#: Objects that are asked for at once, since each takes its time to answer.
AT_ONCE = 8
#: Seconds before a failed request is made again.
PAUSES = (0.5, 2.0)
#: What a file system says of a file, not of its own state: asking again would bring the same.
FACTS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def read_inputs(shard: Shard, start: int = 0) -> Iterator[bytes | ImageError]:
    """Yield the bytes of each input from one of them on, or what is wrong with it.

    Raises
    ------
    DataError
        If a file system fails again and again: that is no fault of an image.
    """
    if shard.container is None:
        yield from _files(shard, start)
        return
    filesystem, path = open_location(shard.container)
    try:
        info = attempt(lambda: filesystem.info(path), shard.container)
    except FACTS as error:
        yield from (_missing(shard.container, error) for _ in range(start, len(shard)))
        return
    if tag_of(info) != shard.tag:
        raise DataError("has changed since it was planned: plan again", shard.container)
    read = tar_bytes if shard.kind == "tar" else parquet_bytes
    place = start
    failures = 0
    while place < len(shard):
        try:
            with filesystem.open(path, "rb") as file:
                for data in read(file, shard, place):
                    yield ImageError("the row has no bytes") if data is None else data
                    place += 1
                    failures = 0
        except OSError as error:
            if failures == len(PAUSES):
                raise DataError(f"cannot be read ({error})", shard.container) from error
            time.sleep(PAUSES[failures])
            failures += 1


def attempt(call: Callable[[], T], name: str) -> T:
    """Call a file system until it answers.

    Raises
    ------
    DataError
        If it fails three times.
    OSError
        One of `FACTS`, at once.
    """
    for pause in (*PAUSES, None):
        try:
            return call()
        except FACTS:
            raise
        # The packages of the stores raise errors of their own.
        except Exception as error:
            if pause is None:
                raise DataError(f"cannot be read ({type(error).__name__}: {error})", name) from error
            time.sleep(pause)
    raise AssertionError("the last round returns or raises")


def _files(shard: Shard, start: int) -> Iterator[bytes | ImageError]:
    # Files of this machine come at once; others are asked for ahead.
    ahead: deque[Future[bytes | ImageError]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for index in range(start, len(shard)):
            filesystem, path = _place(shard, index)
            if is_local(filesystem):
                while ahead:
                    yield ahead.popleft().result()
                yield _local(path, shard, index)
                continue
            ahead.append(pool.submit(_remote, filesystem, path, shard, index))
            if len(ahead) == AT_ONCE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _place(shard: Shard, index: int) -> tuple[Any, str]:
    raw = shard.raw[index]
    return open_location(shard.paths[index] if raw is None else os.fsdecode(raw))


def _local(path: str, shard: Shard, index: int) -> bytes | ImageError:
    try:
        with Path(path).open("rb") as file:
            changed = shard.tags[index] not in (None, str(os.fstat(file.fileno()).st_mtime))
            return _changed() if changed else file.read()
    except FACTS as error:
        return _missing(path, error)
    # A name that is too long, a damaged disk: it is this file's own.
    except (OSError, ValueError) as error:
        return ImageError(f"cannot be read ({error})")


def _remote(filesystem: Any, path: str, shard: Shard, index: int) -> bytes | ImageError:
    try:
        data = bytes(attempt(lambda: filesystem.cat_file(path), shard.paths[index]))
    except FACTS as error:
        return _missing(path, error)
    return _changed() if shard.sizes[index] not in (None, len(data)) else data


def _changed() -> ImageError:
    return ImageError("has changed since it was planned")


def _missing(path: str, error: OSError) -> ImageError:
    reasons = {FileNotFoundError: "does not exist", PermissionError: "may not be read"}
    return ImageError(reasons.get(type(error), f"cannot be read ({error.strerror or error})"))
