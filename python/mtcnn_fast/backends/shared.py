"""A backend shared by the threads that use one detector: made when it is needed, closed when the last has left it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from mtcnn_fast.backends.base import Backend
from mtcnn_fast.errors import BackendError


class SharedBackend:
    """Lends one backend to any number of threads.

    Parameters
    ----------
    make : callable
        Makes the backend, once, when it is first lent.
    """

    def __init__(self, make: Callable[[], Backend]) -> None:
        self._make = make
        self._backend: Backend | None = None
        self._closed = False
        self._start_counting()

    def _start_counting(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._process = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def name(self) -> str | None:
        """The backend's name, if it has been made."""
        backend = self._backend
        return None if backend is None else backend.name

    def check_open(self) -> None:
        """Raise `BackendError` after `close`."""
        if self._closed:
            raise BackendError("this detector is closed; make a new one")

    @contextlib.contextmanager
    def lent(self) -> Iterator[Backend]:
        """Lend the backend for the length of a block; it is not closed meanwhile.

        Raises
        ------
        BackendError
            If `close` was called.
        """
        if self._process != os.getpid():
            # A forked child has none of the threads that may have held the lock or had the backend.
            self._start_counting()
        with self._lock:
            self.check_open()
            if self._backend is None:
                self._backend = self._make()
            backend = self._backend
            self._users += 1
        try:
            yield backend
        finally:
            with self._lock:
                self._users -= 1
                last = self._closed and self._users == 0
            if last:
                self._release()

    def close(self) -> None:
        """Lend no more, and close the backend: now, or when the last user leaves, who is not waited for."""
        with self._lock:
            idle = self._users == 0 and not self._closed
            self._closed = True
        if idle:
            self._release()

    def _release(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()
