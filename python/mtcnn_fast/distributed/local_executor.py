"""Shards on this machine: in processes that may die, or in this one."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator

from mtcnn_fast.distributed.events import Died, Event, Failed, Finished, Progressed, Started
from mtcnn_fast.distributed.isolation import run_isolated
from mtcnn_fast.distributed.pending import Pending
from mtcnn_fast.distributed.planning import Plan
from mtcnn_fast.distributed.shard_work import ShardRunner, ShardSummary
from mtcnn_fast.distributed.worker_process import WorkerProcess
from mtcnn_fast.errors import DataError


def inline_events(prefix: str, plan: Plan, pending: Pending) -> Iterator[Event]:
    """Do the shards in this process, with all processors."""
    from mtcnn_fast._native import checked_threads

    threads = checked_threads(None)
    runner = ShardRunner(prefix, threads, plan)
    yield Started(1)
    try:
        for index in pending.todo:
            pending.mark(index)
            isolated = pending.is_isolated(index)
            yield Finished(run_isolated(prefix, index, threads) if isolated else runner.run(index))
    finally:
        pending.unmark_all()


def local_events(prefix: str, pending: Pending, workers: int) -> Iterator[Event]:
    """Do the shards in processes, each with a thread of this one that looks after it."""
    todo = deque(pending.todo)
    lock = threading.Lock()
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    crew = [_Keeper(prefix, pending, todo, lock, events) for _ in range(min(workers, len(todo)))]
    for keeper in crew:
        keeper.start()
    yield Started(1)
    at_work = len(crew)
    try:
        while at_work:
            event = events.get()
            if event is None:
                at_work -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        for keeper in crew:
            keeper.stop()
        for keeper in crew:
            keeper.join()
        pending.unmark_all()


class _Keeper(threading.Thread):
    """Keeps a worker process busy, and replaces it when it dies."""

    def __init__(
        self,
        prefix: str,
        pending: Pending,
        todo: deque[int],
        lock: threading.Lock,
        events: queue.SimpleQueue[Event | BaseException | None],
    ) -> None:
        super().__init__(daemon=True)
        self._prefix = prefix
        self._pending = pending
        self._todo = todo
        self._lock = lock
        self._events = events
        self._stopped = False
        self._worker: WorkerProcess | None = None

    def stop(self) -> None:
        """End the worker at once."""
        with self._lock:
            self._stopped = True
            if self._worker is not None:
                self._worker.kill()

    def run(self) -> None:
        try:
            while (index := self._next()) is not None:
                self._shard(index)
        # Whatever it is, the thread that waits for this one has to know.
        except BaseException as error:
            if not self._stopped:
                self._events.put(error)
        finally:
            self._let_go()
            self._events.put(None)

    def _next(self) -> int | None:
        with self._lock:
            return self._todo.popleft() if self._todo and not self._stopped else None

    def _ready_worker(self) -> WorkerProcess:
        if self._worker is None:
            with self._lock:
                if self._stopped:
                    raise DataError("the run was stopped")
                self._worker = WorkerProcess(self._prefix, 1)
            report = next(self._worker.reports(), None)
            if report is None:
                raise DataError(f"a worker cannot start: {self._worker.death()}; standard error may say why")
            if "ready" not in report:
                raise DataError(report["fatal"])
        return self._worker

    def _let_go(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _shard(self, index: int) -> None:
        worker = self._ready_worker()
        self._pending.mark(index)
        worker.order(shard=index, isolated=self._pending.is_isolated(index))
        for report in worker.reports():
            if "images" in report:
                self._events.put(Progressed(index, report["images"], report["errors"]))
            elif "done" in report:
                self._events.put(Finished(ShardSummary(**report["done"])))
                return
            elif "failed" in report:
                self._again(index, report["failed"], died=False)
                return
            else:
                raise DataError(report["fatal"])
        if self._stopped:
            return
        reason = worker.death()
        self._let_go()
        self._events.put(Died(index, reason))
        self._again(index, reason, died=True)

    def _again(self, index: int, reason: str, *, died: bool) -> None:
        if self._pending.gives_up(index, died=died):
            self._events.put(Failed(index, reason))
            return
        with self._lock:
            self._todo.appendleft(index)
