"""Limits of connections that uvicorn lacks: slow and long heads, slow readers, and too many of them."""

from __future__ import annotations

import asyncio
import functools
import importlib
from typing import Any

#: Bytes that the head of a request may have. uvicorn's parser in C has no limit of its own.
MAX_HEAD = 65_536

#: Seconds in which a client must read what fills the buffers.
WRITE_TIMEOUT = 30.0

_PROBLEM = '{"type": "/problems/%s", "title": "%s", "status": %d, "detail": "%s"}'


@functools.cache
def limited_protocol(head_timeout: float, max_connections: int) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with limits: httptools' where that is installed, else h11's.

    Parameters
    ----------
    head_timeout : float
        Seconds in which the head of a request must have come.
    max_connections : int
        Connections open at once.
    """
    try:
        base: Any = importlib.import_module("uvicorn.protocols.http.httptools_impl").HttpToolsProtocol
    except ImportError:
        base = importlib.import_module("uvicorn.protocols.http.h11_impl").H11Protocol

    class Limited(_Limited, base):
        """The protocol with the limits of this server."""

    Limited.head_timeout = head_timeout
    Limited.max_connections = max_connections
    return Limited


class _Limited(asyncio.Protocol):
    """What is added to a protocol of uvicorn."""

    head_timeout: float
    max_connections: int

    # Of the protocol.
    transport: Any
    connections: set[Any]
    loop: asyncio.AbstractEventLoop
    cycle: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection, or refuse it."""
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._end(503, "Service Unavailable", "too-many-connections", "Too many connections are open.")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self.transport.is_closing():
            return
        idle = self._between_requests()
        super().data_received(data)
        if not self._between_requests():
            self._head_size = 0
            self._forget_head()
        elif idle:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._end(431, "Request Header Fields Too Large", "head-too-large", f"The limit is {MAX_HEAD} bytes.")
                return
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; what uvicorn would say is plain text."""
        self._end(400, "Bad Request", "bad-request", msg)

    def pause_writing(self) -> None:
        """Give a client that does not read a limited time."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, as the client has read."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def _between_requests(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout, self._head_is_late)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._between_requests():
            self._end(408, "Request Timeout", "slow-head", f"The head did not come within {self.head_timeout:g} s.")

    def _end(self, status: int, phrase: str, kind: str, detail: str) -> None:
        """Answer without the application, and close."""
        if self.transport.is_closing():
            return
        title = kind.replace("-", " ").capitalize()
        body = _PROBLEM % (kind, title, status, detail)
        retry = "retry-after: 5\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode("ascii"))
        self.transport.close()
