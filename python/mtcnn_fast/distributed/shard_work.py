"""Detecting in one shard, and committing its part."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mtcnn_fast._types import Image
from mtcnn_fast.backends import batch_size
from mtcnn_fast.detector import Detector
from mtcnn_fast.distributed.decoding import decoder
from mtcnn_fast.distributed.planning import Plan, part_name, read_plan, read_planned
from mtcnn_fast.distributed.reading import read_inputs
from mtcnn_fast.distributed.settings import engine_of
from mtcnn_fast.distributed.stores import Store
from mtcnn_fast.distributed.tables import Row, Shard, write_part
from mtcnn_fast.errors import DataError, ImageError, MtcnnFastError

#: Pixels after which a batch ends early, as large images keep a device busy by themselves.
_BATCH_PIXELS = 16_000_000

Tell = Callable[[int, int], None]
"""Gets how many images more are done, and how many of them have an error."""


class CommitError(DataError):
    """A part cannot be written: the disk is full, say. No other part could be written either."""


@dataclasses.dataclass(frozen=True, slots=True)
class ShardSummary:
    """What became of a shard.

    Attributes
    ----------
    shard : int
        Its number.
    images, errors, faces : int
        Rows, those of them with an error, and faces.
    seconds : float
        From the first byte to the commit.
    engine : str
        What computed it.
    """

    shard: int
    images: int
    errors: int
    faces: int
    seconds: float
    engine: str


class ShardRunner:
    """Detects in the shards of a plan.

    Parameters
    ----------
    prefix : str
        Where the plan is.
    num_threads : int
        Threads of the detector.
    plan : Plan or None
        The plan, where it has been read.

    Raises
    ------
    DataError
        If there is no plan, or package or weights here are others than the plan's.
    """

    def __init__(self, prefix: str, num_threads: int, plan: Plan | None = None) -> None:
        self.store = Store(prefix)
        self.plan = plan or read_plan(prefix)
        self._num_threads = num_threads
        self._decode = decoder(self.plan.settings.decoder)

    @functools.cached_property
    def detector(self) -> Detector:
        """The detector, made when it is first used."""
        return self.plan.settings.make_detector(self._num_threads)

    @functools.cached_property
    def engine(self) -> str:
        """What computes here."""
        return engine_of(self.detector)

    def run(self, index: int, tell: Tell = lambda images, errors: None) -> ShardSummary:
        """Detect in each image of a shard and commit its part.

        Raises
        ------
        DataError
            If the inputs' file system fails.
        CommitError
            If the part cannot be written.
        BackendError
            If the device fails.
        """
        start = time.perf_counter()
        shard = read_planned(self.store, index)
        rows = list(self._told(self.rows(shard), tell))
        return self.commit(index, rows, self.engine, start)

    def rows(self, shard: Shard, start: int = 0, *, one_by_one: bool = False) -> Iterator[Row]:
        """Yield the row of each input of a shard, from one of them on."""
        limit = 1 if one_by_one else batch_size(self.detector.backend)
        paths = iter(shard.paths[start:])
        waiting: list[tuple[str, Image | ImageError, float]] = []
        pixels = 0
        began = time.perf_counter()
        for data in read_inputs(shard, start):
            image = self._decoded(data)
            waiting.append((next(paths), image, time.perf_counter() - began))
            pixels += 0 if isinstance(image, ImageError) else image.size // 3
            if len(waiting) == limit or pixels > _BATCH_PIXELS:
                yield from self._detected(waiting)
                waiting, pixels = [], 0
            began = time.perf_counter()
        if waiting:
            yield from self._detected(waiting)

    def _decoded(self, data: bytes | ImageError) -> Image | ImageError:
        if isinstance(data, ImageError):
            return data
        try:
            return self._decode(data, self.detector.config.max_pixels)
        except ImageError as error:
            return error
        except MemoryError:
            return ImageError("is too large for the memory of this machine")

    def _detected(self, waiting: list[tuple[str, Image | ImageError, float]]) -> Iterator[Row]:
        images = [image for _, image, _ in waiting if not isinstance(image, ImageError)]
        began = time.perf_counter()
        found = iter(self.detector.detect_batch(images, batch_size=max(1, len(images))))
        # Each image's share of the time is that of its pixels.
        rate = (time.perf_counter() - began) / max(1, sum(image.size for image in images))
        for path, image, seconds in waiting:
            if isinstance(image, ImageError):
                yield Row(path, None, seconds, str(image))
            else:
                yield Row(path, next(found), seconds + rate * image.size)

    @staticmethod
    def _told(rows: Iterable[Row], tell: Tell) -> Iterator[Row]:
        for row in rows:
            tell(1, row.error is not None)
            yield row

    def commit(self, index: int, rows: list[Row], engine: str, start: float) -> ShardSummary:
        """Write the part of a shard.

        Raises
        ------
        DataError
            If there is not one row for each input.
        CommitError
            If it cannot be written.
        """
        if len(rows) != self.plan.counts[index]:
            raise DataError(f"shard {index} has {self.plan.counts[index]} inputs and {len(rows)} rows")
        facts = {"plan": self.plan.id, "shard": index, "settings": self.plan.settings.hash, "engine": engine}
        commit(self.store, index, write_part(rows, facts))
        errors = sum(row.error is not None for row in rows)
        faces = sum(len(row.faces) for row in rows if row.faces is not None)
        return ShardSummary(index, len(rows), errors, faces, time.perf_counter() - start, engine)


def commit(store: Store, index: int, data: bytes) -> None:
    """Write a part, whole or not at all.

    Raises
    ------
    CommitError
        If it cannot be written.
    """
    name = part_name(index)
    try:
        store.create(name, data)
    # The packages of the stores raise errors of their own.
    except Exception as error:
        reason: Any = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise CommitError(f"cannot be written ({reason}); running again resumes", store.path(name)) from error


def described(error: Exception) -> str:
    """Word an error: our own by its message, others with their class."""
    return str(error) if isinstance(error, MtcnnFastError) else f"{type(error).__name__}: {error}"
