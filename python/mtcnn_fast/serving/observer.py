"""The ASGI middleware that counts requests and adds headers of safety."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from mtcnn_fast.serving.limits import App, Message, Receive, Send
from mtcnn_fast.serving.metrics import Metrics

_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]

#: Methods that are counted by name: clients can send any word.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Observer:
    """Counts requests by route and status.

    Parameters
    ----------
    app : callable
        ASGI application.
    metrics : Metrics
    """

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
                self._count(scope, status, time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, noting)

    def _count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        # The route's pattern, not the path: clients can ask for any path.
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        kind = scope.get("state", {}).get("problem")
        if kind:
            self._metrics.problems.labels(kind).inc()
        self._metrics.share_gauges()
