"""Processes that work on parts of a task side by side, and end when the one that started them does."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, TypeVar

from mtcnn_fast.errors import BackendError

Task = TypeVar("Task")
Result = TypeVar("Result")


_DIED = (
    "a process that was making samples died (killed for want of memory, or started by a script without "
    '`if __name__ == "__main__":`?); run it again to go on from here'
)

#: The function that a worker process works with, and the tasks; one element once it has begun.
_WORK: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []


def run(make: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Work on tasks, in this process or in several.

    Parameters
    ----------
    make : callable
        Makes the function that works on a task; called once in each process, to which it is pickled, with the tasks.
    tasks : sequence
    workers : int
        With 1, or a single task, no process is started.

    Yields
    ------
    result
        Of each task, as they are done.

    Raises
    ------
    BackendError
        If a process dies, at its start too. What the function raises is raised here.
    """
    if workers == 1 or len(tasks) < 2:
        work = make()
        for task in tasks:
            yield work(task)
        return
    # A forked process would inherit threads' locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mtcnn_fast-") as folder:
        # A process may die before it reads what it is given. A pipe does not tell that, and who writes into a full one
        # waits for ever. So it is given a path and numbers.
        shared = Path(folder) / "work"
        shared.write_bytes(ForkingPickler.dumps((make, tasks)))
        pool = concurrent.futures.ProcessPoolExecutor(
            min(workers, len(tasks)), mp_context=context, initializer=_begin, initargs=(os.fspath(shared),)
        )
        try:
            for future in concurrent.futures.as_completed([pool.submit(_work, at) for at in range(len(tasks))]):
                yield future.result()
        except BrokenProcessPool as error:
            raise BackendError(_DIED) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(shared: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    make, tasks = ForkingPickler.loads(Path(shared).read_bytes())
    _WORK.append((make(), tasks))


def _end_with_parent() -> None:
    # Without this a killed parent leaves processes that wait for tasks for ever.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(at: int) -> Any:
    work, tasks = _WORK[0]
    return work(tasks[at])
