"""A process that detects in shards: it reads orders on standard input and reports on standard output, a line each.

Orders and reports are JSON. The process ends with its standard input, so that it does not outlive who started it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from mtcnn_fast.distributed.isolation import run_isolated
from mtcnn_fast.distributed.planning import read_planned
from mtcnn_fast.distributed.shard_work import CommitError, ShardRunner, described

#: Seconds between two reports of progress.
_PAUSE = 0.25


def _own_output() -> IO[str]:
    """Keep standard output for reports: what libraries print goes to standard error."""
    reports = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    return reports


def _orders() -> queue.SimpleQueue[dict[str, Any]]:
    """Read orders in a thread, which ends the process with them: whoever sent them is dead, or wants no more."""
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            orders.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return orders


def _first_to_die() -> None:
    """Let the kernel end this process before others where memory runs out; where it cannot be asked, it chooses."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


class _Worker:
    def __init__(self, output: IO[str], prefix: str, num_threads: int) -> None:
        self._output = output
        self._prefix = prefix
        self._num_threads = num_threads
        self._runner = ShardRunner(prefix, num_threads)
        self._images = self._errors = 0
        self._told = 0.0

    def report(self, **values: Any) -> None:
        self._output.write(json.dumps(values) + "\n")

    def serve(self, orders: queue.SimpleQueue[dict[str, Any]]) -> None:
        """Make the detector, then follow orders for ever."""
        self.report(ready=self._runner.engine)
        while True:
            order = orders.get()
            try:
                self._follow(order)
            except CommitError as error:
                self.report(fatal=str(error))
            # A store that does not answer, say. Only a process that ends speaks against an image.
            except Exception as error:
                self.report(failed=described(error))

    def _follow(self, order: dict[str, Any]) -> None:
        if "start" in order:
            self._rows(order["shard"], order["start"])
        elif order["isolated"]:
            summary = run_isolated(self._prefix, order["shard"], self._num_threads, self._tell)
            self.report(done=dataclasses.asdict(summary))
        else:
            self.report(done=dataclasses.asdict(self._runner.run(order["shard"], self._tell)))

    def _rows(self, index: int, start: int) -> None:
        """Report the rows of a shard one by one; the next image is the one that a death is due to."""
        for row in self._runner.rows(read_planned(self._runner.store, index), start, one_by_one=True):
            faces = None if row.faces is None else row.faces.to_dict()
            self.report(row={"path": row.path, "faces": faces, "seconds": row.seconds, "error": row.error})
        self.report(end=True)

    def _tell(self, images: int, errors: int) -> None:
        self._images += images
        self._errors += errors
        if time.monotonic() - self._told > _PAUSE:
            self.report(images=self._images, errors=self._errors)
            self._images = self._errors = 0
            self._told = time.monotonic()


def main() -> None:
    """Run a worker: the first order names the plan."""
    # Ctrl-C reaches every process of a terminal; whoever started this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = _own_output()
    orders = _orders()
    _first_to_die()
    first = orders.get()
    try:
        worker = _Worker(output, first["prefix"], first["num_threads"])
        worker.serve(orders)
    except Exception as error:
        output.write(json.dumps({"fatal": described(error)}) + "\n")
