"""A server in a process of its own, and requests to it down to single bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from support.memory import resident

EXTRA = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")

#: Settings under which the example photo is searched quickly.
QUICK = ("--min-face-size", "40", "--factor", "0.6")


def skip_without_extra() -> None:
    """Skip a module of tests where the extra is not installed."""
    for module in EXTRA:
        pytest.importorskip(module, reason=f"{module} is not installed (extra serve)")


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


class Server:
    """A running ``mtcnn-fast serve``.

    Attributes
    ----------
    port : int
    process : subprocess.Popen
    lines : list of str
        What it printed on standard error so far.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "mtcnn_fast", "serve", "--port", "0", *QUICK, *arguments]
        env = {name: value for name, value in os.environ.items() if name != "MTCNN_FAST_TOKEN"} | environment
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._wait_for_port()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def _wait_for_port(self) -> int:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found = re.search(r"listening on http://[^/]*:(\d+)/", "".join(self.lines))
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("".join(self.lines) or "the server says nothing")

    def wait_until_ready(self) -> None:
        """Wait until ``/readyz`` says so."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/readyz").status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the server does not become ready")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def post(self, path: str, body: Any, kind: str = "image/jpeg", **headers: str) -> Answer:
        """Send a body of a kind."""
        return self.ask("POST", path, body, {"Content-Type": kind, **headers})

    @contextlib.contextmanager
    def connected(self, timeout: float = 30) -> Iterator[socket.socket]:
        """Open a connection for bytes that no client would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            yield connection

    def raw(self, data: bytes, timeout: float = 30) -> bytes:
        """Send bytes, and return all that comes until the server closes."""
        with self.connected(timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            return read_all(connection)

    def resident(self) -> int:
        """Return the bytes of memory in use (Linux)."""
        return resident(self.process.pid)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._reader.join(10)
            if self.process.stderr is not None:
                self.process.stderr.close()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes, or until it is as long silent as the connection's timeout."""
    parts = []
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def form(*files: tuple[str, bytes], field: str = "image", boundary: str = "limit") -> tuple[bytes, str]:
    """Return a form with files, and its content type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data
        for name, data in files
    ]
    return b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
