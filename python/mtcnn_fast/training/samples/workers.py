"""Processes that work on parts of a task side by side, and end when the one that started them does."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from mtcnn_fast.errors import BackendError

Task = TypeVar("Task")
Result = TypeVar("Result")


#: The function that a worker process works with; one element once it has begun.
_WORK: list[Callable[[Any], Any]] = []


def run(make: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Work on tasks, in this process or in several.

    Parameters
    ----------
    make : callable
        Makes the function that works on a task; called once in each process, to which it is pickled.
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
        If a process dies. What the function raises is raised here too.
    """
    if workers == 1 or len(tasks) < 2:
        work = make()
        for task in tasks:
            yield work(task)
        return
    # A forked process would inherit threads' locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=context, initializer=_begin, initargs=(make,)
    )
    try:
        for future in concurrent.futures.as_completed([pool.submit(_work, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        message = "a process that was making samples died (killed for want of memory?); run it again to go on from here"
        raise BackendError(message) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(make: Callable[[], Callable[[Any], Any]]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _WORK.append(make())


def _end_with_parent() -> None:
    # Without this a killed parent leaves processes that wait for tasks for ever.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(task: Any) -> Any:
    return _WORK[0](task)
