"""Gathering a stream of images into batches without reading further ahead than one batch."""

from __future__ import annotations

import copy
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from mtcnn_fast.errors import ImageError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class HasShape(Protocol):
    """What has a height and a width, such as an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and whatever follows."""


T = TypeVar("T", bound=HasShape)


def gather(
    images: Iterable[object],
    load: Callable[[object], T],
    *,
    batch_size: int,
    batch_pixels: int | None,
    stop_at_error: bool,
    ahead: int = 0,
) -> Iterator[list[T | ImageError]]:
    """Load images and yield them in batches.

    Parameters
    ----------
    images : iterable
        The images, read as batches are taken.
    load : callable
        Makes an ``(H, W, 3)`` uint8 array of an image, or what else has a shape, or raises `ImageError`.
    batch_size : int
        Images in a batch.
    batch_pixels : int or None
        A batch ends earlier with the image that brings it to this many pixels.
    stop_at_error : bool
        Give nothing after an image that cannot be loaded.
    ahead : int
        How many images beyond those that are taken are loaded meanwhile, in as many threads; see `files_ahead`.

    Yields
    ------
    list of what `load` returns, or ImageError
        In the place of an image that cannot be loaded stands the error, which names its index.
    """
    batch: list[T | ImageError] = []
    pixels = 0
    source = _loaded(images, load, ahead)
    while True:
        try:
            item = next(source)
        except StopIteration:
            break
        except Exception:
            # The caller's own iterable failed: what it gave before is not lost.
            if batch:
                yield batch
            raise
        batch.append(item)
        failed = isinstance(item, ImageError)
        if failed and stop_at_error:
            break
        pixels += 0 if isinstance(item, ImageError) else item.shape[0] * item.shape[1]
        if len(batch) == batch_size or (batch_pixels is not None and pixels >= batch_pixels):
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def files_ahead(images: object, num_threads: int | None) -> int:
    """Return how many images to load ahead: some of a list of files, so that they are decoded while faces are found.

    A stream is not read ahead, as its next image may not be there yet; and arrays are there already.
    """
    listed = isinstance(images, (list, tuple)) or (isinstance(images, np.ndarray) and images.ndim == 1)
    if not listed or not len(images) or not isinstance(images[0], (str, os.PathLike)):  # type: ignore[arg-type, index]
        return 0
    if num_threads is None:
        from mtcnn_fast._native import checked_threads

        num_threads = checked_threads(None)
    return 2 * num_threads if num_threads > 1 else 0


def _loaded(images: Iterable[object], load: Callable[[object], T], ahead: int) -> Iterator[T | ImageError]:
    """Load each image, in order; in this thread where `ahead` is 0 or no other can be started."""
    pool = _pool(ahead) if ahead else None
    waiting: deque[Future[T | ImageError]] = deque()
    try:
        for index, image in enumerate(images):
            future = None if pool is None else _submitted(pool, load, image, index)
            if future is None:
                while waiting:
                    yield waiting.popleft().result()
                yield _load(load, image, index)
                continue
            waiting.append(future)
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Nobody waits for the images that nobody wants any more.
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _pool(threads: int) -> ThreadPoolExecutor | None:
    try:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(threads, "mtcnn-fast-load")
    # After the main thread has ended, no pool can be made.
    except RuntimeError:
        return None


def _submitted(
    pool: ThreadPoolExecutor, load: Callable[[object], T], image: object, index: int
) -> Future[T | ImageError] | None:
    """Hand an image to the pool; None where no thread can be started, at the end of the process for one."""
    try:
        return pool.submit(_load, load, image, index)
    except RuntimeError:
        return None


def _load(load: Callable[[object], T], image: object, index: int) -> T | ImageError:
    try:
        return load(image)
    except ImageError as error:
        return named_error(error, index)


def named_error(error: ImageError, index: int) -> ImageError:
    """Return the error with the image's place before its message, and itself as cause."""
    named = copy.copy(error)
    named.args = (f"images[{index}]: {error}",)
    named.__cause__ = error
    return named
