"""Bounded queues between threads: one works ahead, or behind, while this one does something else."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Takes items from an iterable in a thread of its own, and holds at most a few.

    Parameters
    ----------
    items : iterable
        Read by the thread alone.
    size : int
        How many items are held.
    replaces : callable, optional
        Tells of an item whether it may be dropped for a newer one when the queue is full: for sources that cannot wait.
        By default the thread waits.
    cancel : callable, optional
        Called when the queue is left, so that the iterable ends sooner.

    Attributes
    ----------
    dropped : int
        Items that were dropped.
    """

    def __init__(
        self,
        items: Iterable[T],
        size: int,
        replaces: Callable[[T], bool] | None = None,
        cancel: Callable[[], None] | None = None,
    ) -> None:
        self._items = items
        self._cancel = cancel
        self._size = size
        self._replaces = replaces
        self._held: collections.deque[T] = collections.deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="mtcnn-fast-decode", daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the thread after the item that it is at."""
        with self._changed:
            self._stopped = True
            self._held.clear()
            self._changed.notify_all()
        if self._cancel is not None:
            self._cancel()
        self._thread.join()

    def _read(self) -> None:
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._put(item):
                    return
        except BaseException as error:
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        with self._changed:
            if self._replaces is not None and len(self._held) >= self._size:
                old = next((held for held in self._held if self._replaces(held)), None)
                if old is not None:
                    # By identity: items need not be comparable.
                    self._held = collections.deque(held for held in self._held if held is not old)
                    self.dropped += 1
            while len(self._held) >= self._size and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            self._held.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                while not self._held and not self._ended:
                    self._changed.wait()
                if not self._held:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._held.popleft()
                self._changed.notify_all()
            yield item


class Behind(Generic[T]):
    """Hands items to a function in a thread of its own, and holds at most a few.

    Parameters
    ----------
    work : callable
    size : int
        How many items wait; then `put` does.
    """

    def __init__(self, work: Callable[[T], None], size: int) -> None:
        self._work = work
        self._size = size
        self._held: collections.deque[T] = collections.deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mtcnn-fast-encode", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand on an item, or raise what the function raised for an earlier one."""
        with self._changed:
            while len(self._held) >= self._size and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._held.append(item)
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all items are done, or raise what the function raised."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._held and not self._stopped:
                    self._changed.wait()
                if not self._held:
                    return
                item = self._held.popleft()
                self._changed.notify_all()
            try:
                self._work(item)
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._held.clear()
                    self._changed.notify_all()
                return
