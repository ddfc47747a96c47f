"""`serve`: the application under uvicorn, in one process or several, with an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import ipaddress
import logging
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from mtcnn_fast._native import usable_processors
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.optional import require
from mtcnn_fast.serving.app import HOW_TO_GET, create_app, require_extra
from mtcnn_fast.serving.options import TOKEN_VARIABLE, ServiceOptions

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("mtcnn_fast.serving")

_KEEP_ALIVE = 15
_BACKLOG = 2048


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """Where a server listens, and with how many processes.

    Attributes
    ----------
    host : str
        Name or address.
    port : int
        0 takes a free one.
    workers : int
        Processes. Each has slots of its own; processors are shared out among them.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1


def serve(
    settings: Mapping[str, Any], options: ServiceOptions, binding: Binding, say: Callable[[str], None] = logger.warning
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let requests under way end.

    Parameters
    ----------
    settings : mapping
        Keyword arguments of `mtcnn_fast.Detector`.
    options : ServiceOptions
    binding : Binding
    say : callable
        Tells the operator where the service listens.

    Raises
    ------
    MissingExtraError
        If a package of the extra ``serve`` is missing.
    ConfigError
        If nothing can listen on host and port.
    """
    require_extra()
    uvicorn = require("uvicorn", "the service", HOW_TO_GET)
    from mtcnn_fast.serving.connections import limited_protocol

    if binding.workers > 1 and options.slots is None:
        options = dataclasses.replace(options, slots=max(1, usable_processors() // binding.workers))
    with _listening(binding) as listener, _shared_metrics(binding.workers):
        announce(listener, options, binding, say)
        config = uvicorn.Config(
            functools.partial(_app, dict(settings), options),
            factory=True,
            workers=binding.workers,
            http=functools.partial(_protocol, limited_protocol, options),
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            # Seconds after the listener is closed; uvicorn takes whole ones.
            timeout_graceful_shutdown=max(1, round(options.drain_timeout)),
        )
        with _signals_end_quietly():
            if binding.workers > 1:
                uvicorn.supervisors.Multiprocess(config, sockets=[listener]).run()
            else:
                uvicorn.Server(config).run(sockets=[listener])


def _protocol(make: Any, options: ServiceOptions, **attributes: Any) -> asyncio.Protocol:
    """Make a protocol; classes made at run time cannot be sent to another process, this function can."""
    kind = make(options.head_timeout, options.max_connections)
    protocol: asyncio.Protocol = kind(**attributes)
    return protocol


def _app(settings: Mapping[str, Any], options: ServiceOptions) -> FastAPI:
    """Make the application of one process, which drains before uvicorn stops listening."""
    app = create_app(settings, options)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        async with inner(application) as state:
            _drain_first(application.state.service, options.drain_delay)
            yield state

    app.router.lifespan_context = lifespan
    return app


def _drain_first(service: Any, delay: float) -> None:
    """Delay what uvicorn does on SIGTERM: first ``/readyz`` says 503, and requests are still accepted."""
    stop = signal.getsignal(signal.SIGTERM)
    loop = asyncio.get_running_loop()

    def drain(number: int, frame: FrameType | None) -> None:
        if not callable(stop):
            return
        if service.draining or delay == 0:
            stop(number, frame)
        else:
            service.draining = True
            loop.call_soon_threadsafe(loop.call_later, delay, stop, number, None)

    signal.signal(signal.SIGTERM, drain)


@contextlib.contextmanager
def _listening(binding: Binding) -> Iterator[socket.socket]:
    """Open the socket.

    Raises
    ------
    ConfigError
        If that is not possible.
    """
    try:
        found = socket.getaddrinfo(binding.host, binding.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server(found[0][4][:2], family=found[0][0], backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"port must be free on a host of this machine, got {binding.host}:{binding.port} ({reason})"
        ) from error
    listener.set_inheritable(True)
    with listener:
        yield listener


@contextlib.contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Let several processes share what they count, in a folder that is there as long as they run."""
    from mtcnn_fast.serving.metrics import SHARED_FOLDER

    if workers == 1 or os.environ.get(SHARED_FOLDER):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mtcnn-fast-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER]


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let the signals that end the server end no more than that: uvicorn raises them once more when it is done."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost"


def _address(listener: socket.socket, host: str) -> str:
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{shown}:{listener.getsockname()[1]}/"


def announce(listener: socket.socket, options: ServiceOptions, binding: Binding, say: Callable[[str], None]) -> None:
    """Say where the service listens, and warn if others can reach it."""
    say(f"listening on {_address(listener, binding.host)} (Ctrl-C or SIGTERM ends it)")
    if not is_loopback(binding.host):
        guard = "requests must carry the token" if options.token else f"set {TOKEN_VARIABLE} to ask for a token"
        say(
            f"warning: {binding.host} can be reached from other machines, without encryption; {guard}, "
            "and put a proxy with TLS before it"
        )
