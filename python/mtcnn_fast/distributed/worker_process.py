"""A worker process, seen from the one that started it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mtcnn_fast.distributed.worker import main
main()
"""


class WorkerProcess:
    """A worker, seen from the process that started it.

    Parameters
    ----------
    prefix : str
        Where the plan is.
    num_threads : int
        Threads of its detector.
    """

    def __init__(self, prefix: str, num_threads: int) -> None:
        command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.order(prefix=prefix, num_threads=num_threads)

    def order(self, **values: Any) -> None:
        """Send an order; one that is dead does not get it, which its reports tell."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(values).encode() + b"\n")
            stdin.flush()

    def reports(self) -> Iterator[dict[str, Any]]:
        """Yield what it reports, until it ends."""
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            # A process that is killed may leave half a line.
            if line.endswith(b"\n"):
                yield json.loads(line)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def death(self) -> str:
        """Wait for its end, and say how it came."""
        code = self._process.wait()
        return f"worker died (signal {-code})" if code < 0 else f"worker died (exit status {code})"

    def kill(self) -> None:
        """End it at once; its reports end with it."""
        self._process.kill()

    def close(self) -> None:
        """End it at once, and let go of it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            # What it did not read is lost.
            with contextlib.suppress(BrokenPipeError):
                stream.close()
