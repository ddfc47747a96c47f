"""Gathering a stream of images into batches without reading further ahead than one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mtcnn_fast.backends.base import Image
from mtcnn_fast.errors import ImageError


def gather(
    images: Iterable[object],
    load: Callable[[object], Image],
    *,
    batch_size: int,
    batch_pixels: int | None,
    stop_at_error: bool,
) -> Iterator[list[Image | ImageError]]:
    """Load images and yield them in batches.

    Parameters
    ----------
    images : iterable
        The images, read as batches are taken.
    load : callable
        Makes an ``(H, W, 3)`` uint8 array of an image, or raises `ImageError`.
    batch_size : int
        Images in a batch.
    batch_pixels : int or None
        A batch ends earlier with the image that brings it to this many pixels.
    stop_at_error : bool
        Read nothing after an image that cannot be loaded.

    Yields
    ------
    list of ndarray or ImageError
        In the place of an image that cannot be loaded stands the error, which names its index.
    """
    batch: list[Image | ImageError] = []
    pixels = 0
    source = enumerate(images)
    while True:
        try:
            index, image = next(source)
        except StopIteration:
            break
        except Exception:
            # The caller's own iterable failed: what it gave before is not lost.
            if batch:
                yield batch
            raise
        item = _load(load, image, index)
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


def _load(load: Callable[[object], Image], image: object, index: int) -> Image | ImageError:
    try:
        return load(image)
    except ImageError as error:
        named = ImageError(f"images[{index}]: {error}")
        named.__cause__ = error
        return named
