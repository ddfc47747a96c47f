"""The ASGI middleware that bounds bodies: their bytes, their time, and what all of them hold at once."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mtcnn_fast.serving.options import ServiceOptions
from mtcnn_fast.serving.problems import ClientGoneError, ProblemError, busy

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: Seconds in which the rest of a refused body is thrown away, so that the client reads the answer before the connection
#: is closed: a close with unread bytes resets it.
LINGER = 2.0

BATCH_PATH = "/v1/detect/batch"


class Limits:
    """Refuses what is too long, too slow or too much.

    Parameters
    ----------
    app : callable
        ASGI application. A call of its ``receive`` raises `ProblemError` where a limit is passed, and
        `ClientGoneError` where the client has gone.
    options : ServiceOptions
    """

    def __init__(self, app: App, options: ServiceOptions) -> None:
        self._app = app
        self._options = options
        self.buffered = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        expects = any(name == b"expect" for name, _ in scope["headers"])
        body = _Body(self, receive, self._limit(scope["path"]), self._options.body_timeout, expects)
        scope.setdefault("state", {})["body"] = body
        try:
            await self._app(scope, body.receive, body.closing(send))
        finally:
            self.buffered -= body.size

    def _limit(self, path: str) -> int:
        return self._options.max_batch_body if path.endswith(BATCH_PATH) else self._options.max_body

    def hold(self, size: int) -> None:
        """Count bytes that are held from now on.

        Raises
        ------
        ProblemError
            503, if all bodies together would be too large.
        """
        if self.buffered + size > self._options.max_buffered:
            raise busy("The bodies of other requests take all the memory that is set apart for them.")
        self.buffered += size


class _Body:
    """The body of one request while it comes."""

    def __init__(self, limits: Limits, receive: Receive, limit: int, seconds: float, expects: bool) -> None:
        self._limits, self._receive = limits, receive
        # Receiving would tell a client that asked first (Expect: 100-continue) to go on.
        self._unasked = expects
        self._limit, self._seconds = limit, seconds
        self._deadline = time.monotonic() + seconds
        self.size = 0
        self.complete = False

    async def receive(self) -> Message:
        """Receive the next part, or the news that the client has gone."""
        if self.complete:
            return await self._receive()
        self._unasked = False
        message = await self._receive_in_time()
        if message["type"] != "http.request":
            raise ClientGoneError
        size = len(message.get("body", b""))
        if self.size + size > self._limit:
            raise too_large(self._limit)
        self._limits.hold(size)
        self.size += size
        self.complete = not message.get("more_body", False)
        return message

    async def _receive_in_time(self) -> Message:
        """Receive before the deadline; `asyncio.wait_for` would make a task for each part."""
        task, late = asyncio.current_task(), False
        assert task is not None

        def expire() -> None:
            nonlocal late
            late = True
            task.cancel()

        timer = asyncio.get_running_loop().call_later(max(0.0, self._deadline - time.monotonic()), expire)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not late:
                raise
            if sys.version_info >= (3, 11):
                task.uncancel()
            detail = f"The body did not come within {self._seconds:g} s."
            raise ProblemError(408, "slow-body", detail, {"Connection": "close"}) from None
        finally:
            timer.cancel()

    def check_length(self, headers: Any) -> None:
        """Refuse a body by its declared length, before any of it is read.

        Raises
        ------
        ProblemError
            413, if it is too long.
        """
        length = headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length) > self._limit:
            raise too_large(self._limit)

    def closing(self, send: Send) -> Send:
        """Return a `send` that closes the connection where the body was not read to its end."""
        last = False

        async def wrapped(message: Message) -> None:
            nonlocal last
            if message["type"] == "http.response.start" and not self.complete:
                await self._skip_short()
                last = not self.complete
                if last:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            if last and message["type"] == "http.response.body" and not message.get("more_body", False):
                # Everything is sent, but the response is not ended until the client had time to read it.
                await send({**message, "more_body": True})
                await self._skip(LINGER)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return wrapped

    async def _skip_short(self) -> None:
        """Read what has come already: most requests without use for their body have none."""
        await self._skip(0.001)

    async def _skip(self, seconds: float) -> None:
        if self._unasked:
            return
        deadline = time.monotonic() + seconds
        while not self.complete:
            try:
                message = await asyncio.wait_for(self._receive(), max(0.0, deadline - time.monotonic()))
            except asyncio.TimeoutError:
                return
            self.complete = message["type"] != "http.request" or not message.get("more_body", False)


def too_large(limit: int) -> ProblemError:
    """Make the refusal of a body that is too long."""
    return ProblemError(413, "body-too-large", f"The body must have at most {limit:,} bytes.")
