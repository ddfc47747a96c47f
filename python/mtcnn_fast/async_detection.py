"""The part of `mtcnn_fast.Detector` that finds faces beside an event loop of asyncio."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from mtcnn_fast.batch_detection import BatchDetection
from mtcnn_fast.errors import ImageError
from mtcnn_fast.images.batches import named_error

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from typing_extensions import Unpack

    from mtcnn_fast.detection_options import SingleOptions, StreamOptions
    from mtcnn_fast.faces import Faces

T = TypeVar("T")

#: Detections of one detector that run at once; one uses all its threads, and others decode their images meanwhile.
WORKERS = 4


class AsyncDetection(BatchDetection):
    """Methods of `mtcnn_fast.Detector` that are awaited."""

    _workers: Workers

    if TYPE_CHECKING:

        def detect(self, image: Any, **options: Unpack[SingleOptions]) -> Faces:
            """Find the faces in one image."""

    async def adetect(self, image: Any, **options: Unpack[SingleOptions]) -> Faces:
        """Find the faces in one image in a thread, while the event loop goes on.

        The threads are the detector's own, four at most: asyncio's default threads stay free for others, and further
        calls wait for their turn without a thread.

        Parameters
        ----------
        image, **options
            As for `detect`.

        Returns
        -------
        Faces

        Raises
        ------
        ImageError, ConfigError, BackendError
            As for `detect`.

        Notes
        -----
        A call that is cancelled while it waits for its turn never starts. One that is running cannot be stopped: the
        await ends at once with `asyncio.CancelledError`, and the detection ends in its thread, its result dropped.

        Examples
        --------
        >>> async def handler(data: bytes) -> int:
        ...     return len(await detector.adetect(data))
        """
        self._shared.check_open()
        return await _awaited(self._workers.pool(), lambda: self.detect(image, **options))

    @overload
    def adetect_iter(
        self, images: Any, *, on_error: Literal["raise"] = ..., **options: Unpack[StreamOptions]
    ) -> AsyncIterator[Faces]: ...

    @overload
    def adetect_iter(
        self, images: Any, *, on_error: Literal["return"], **options: Unpack[StreamOptions]
    ) -> AsyncIterator[Faces | ImageError]: ...

    def adetect_iter(
        self, images: Any, *, on_error: Literal["raise", "return"] = "raise", **options: Any
    ) -> AsyncIterator[Faces | ImageError]:
        """Find the faces in a stream of images while the event loop goes on: ``async for faces in ...``.

        Parameters
        ----------
        images : iterable, array, folder, pattern or async iterable
            What `detect_iter` accepts, which is read and searched in a thread of its own; or an async iterable of
            images, whose images are searched one by one, each as soon as it is there.
        on_error, **options
            As for `detect_iter`; `batch_size` means nothing for an async iterable.

        Yields
        ------
        Faces, or ImageError where `on_error` is ``"return"``
            One for each image, in their order.

        Raises
        ------
        ImageError, ConfigError, BackendError
            As for `detect_iter`.

        Notes
        -----
        Cancelling ends the iteration as for `adetect`. An iteration that is left early is closed by ``aclose()``, or by
        the event loop when it ends.
        """
        if hasattr(images, "__aiter__"):
            return self._each(images, self.detect_iter((), on_error=on_error, **options), on_error, options)
        return _stepped(self.detect_iter(images, on_error=on_error, **options))

    async def _each(
        self, images: Any, checked: object, on_error: str, options: dict[str, Any]
    ) -> AsyncIterator[Faces | ImageError]:
        """Search images as they come; the arguments were checked when `checked` was made of them."""
        single = {name: value for name, value in options.items() if name != "batch_size"}
        index = 0
        async for image in images:
            try:
                yield await self.adetect(image, **single)
            except ImageError as error:
                named = named_error(error, index)
                if on_error == "raise":
                    raise named from error
                yield named
            index += 1


class Workers:
    """Threads that are made when they are first needed, in each process anew."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def pool(self) -> ThreadPoolExecutor:
        """Return the threads."""
        if self._pool is None or self._process != os.getpid():
            from concurrent.futures import ThreadPoolExecutor

            # A forked child has none of its parent's threads.
            self._pool, self._process = ThreadPoolExecutor(WORKERS, "mtcnn-fast-async"), os.getpid()
        return self._pool

    def close(self) -> None:
        """Let the threads end when they have nothing to do, without waiting for them."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=False)
        self._pool = None


async def _awaited(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    import asyncio

    return await asyncio.wrap_future(pool.submit(call))


async def _stepped(steps: Iterator[T]) -> AsyncIterator[T]:
    """Take the steps of an iterator in a thread of its own, as they may take long to come."""
    from concurrent.futures import ThreadPoolExecutor

    end = object()
    pool = ThreadPoolExecutor(1, "mtcnn-fast-async-iter")
    try:
        while True:
            step = await _awaited(pool, lambda: next(steps, end))
            if step is end:
                return
            yield cast("T", step)
    finally:
        with contextlib.suppress(RuntimeError):
            # In that thread too, after the step that may still be running there.
            pool.submit(getattr(steps, "close", lambda: None))
        pool.shutdown(wait=False)
