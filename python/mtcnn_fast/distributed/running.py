"""`run`: detect in every shard that has no part yet."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Iterator

from mtcnn_fast._native import usable_processors
from mtcnn_fast.checks import Choice, Count
from mtcnn_fast.distributed.events import Died, Event, Failed, Finished, Progressed, Started
from mtcnn_fast.distributed.pending import Pending
from mtcnn_fast.distributed.planning import Plan, read_plan
from mtcnn_fast.distributed.progress_report import ProgressReport
from mtcnn_fast.distributed.stores import Store
from mtcnn_fast.errors import ConfigError

EXECUTORS = ("local", "ray")


@dataclasses.dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did.

    Attributes
    ----------
    inputs : int
        Rows of the shards that this run is for.
    images, errors, faces : int
        Rows written by this run, those of them with an error, and faces.
    resumed : int
        Rows that were there already.
    failed : dict of int to str
        Shards without a part, and why; running again tries them again.
    deaths : int
        Workers that died.
    seconds : float
    """

    inputs: int
    images: int
    errors: int
    faces: int
    resumed: int
    failed: dict[int, str]
    deaths: int
    seconds: float


def run(
    out: str | os.PathLike[str],
    *,
    executor: str = "local",
    workers: int | None = None,
    shards: tuple[int, int] = (0, 1),
    ray_address: str | None = None,
    progress: bool = True,
) -> RunReport:
    """Detect in every shard of a plan that has no part yet; run again to resume.

    A worker that dies is replaced and its shard done again. A shard whose workers died twice is done image by image in
    child processes, and the image at fault gets a row whose error says how its process ended.

    Parameters
    ----------
    out : path or URL
        Where the plan is.
    executor : {"local", "ray"}
        Processes of this machine, or tasks on a Ray cluster.
    workers : int or None
        ``local``: processes with a thread each; None takes one for each processor, and 0 works in this process, where
        an image that ends it is found by the next run. ``ray``: most tasks at a time; None takes what the cluster has.
    shards : (int, int)
        ``(i, n)`` does every n-th shard from the i-th on, i from 0: the share of a task of a Slurm or Kubernetes array.
    ray_address : str or None
        The cluster; None takes the one that Ray finds, or starts one on this machine.
    progress : bool
        Show images a second, time left, errors and nodes on standard error: a bar on a terminal, else a line each 30 s.

    Returns
    -------
    RunReport

    Raises
    ------
    DataError
        If there is no plan, package or weights are others than the plan's, or a part cannot be written.
    ConfigError
        If an argument is not accepted.
    MissingExtraError
        If pyarrow, fsspec or Ray is missing.
    """
    Choice(EXECUTORS)("executor", executor)
    share = _checked_share(shards)
    if workers is not None:
        Count(0 if executor == "local" else 1)("workers", workers)
    prefix = os.fspath(out)
    store, plan = Store(prefix), read_plan(prefix)
    if store.in_memory and not (executor == "local" and workers == 0):
        raise ConfigError("workers must be 0 for a plan in memory, which other processes do not see")
    pending = Pending(store, plan, share)
    began = time.monotonic()
    with ProgressReport(pending.inputs, pending.resumed, shown=progress) as display:
        events = _events(executor, store.url, plan, pending, workers, ray_address)
        counts, deaths, failed = _follow(events, pending, display)
    return RunReport(
        pending.inputs,
        counts["images"],
        counts["errors"],
        counts["faces"],
        pending.resumed,
        failed,
        deaths,
        time.monotonic() - began,
    )


resume = run
"""Running again resumes: what has a part is not done again."""


def _checked_share(shards: tuple[int, int]) -> tuple[int, int]:
    try:
        number, of = shards
        valid = all(isinstance(value, int) for value in (number, of)) and 0 <= number < of
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ConfigError(f"shards must be (i, n) with i from 0 to n - 1, got {shards!r}")
    return number, of


def _events(
    executor: str, prefix: str, plan: Plan, pending: Pending, workers: int | None, ray_address: str | None
) -> Iterator[Event]:
    if not pending.todo:
        return iter(())
    if executor == "ray":
        from mtcnn_fast.distributed.ray_executor import ray_events

        return ray_events(prefix, plan, pending, workers, ray_address)
    if workers == 0:
        from mtcnn_fast.distributed.local_executor import inline_events

        return inline_events(prefix, plan, pending)
    from mtcnn_fast.distributed.local_executor import local_events

    return local_events(prefix, pending, usable_processors() if workers is None else workers)


def _follow(
    events: Iterator[Event], pending: Pending, display: ProgressReport
) -> tuple[Counter[str], int, dict[int, str]]:
    counts: Counter[str] = Counter()
    failed: dict[int, str] = {}
    deaths = 0
    for event in events:
        if isinstance(event, Finished):
            summary = event.summary
            pending.unmark(summary.shard)
            counts.update(images=summary.images, errors=summary.errors, faces=summary.faces)
            display.finished(summary.shard, summary.images, summary.errors)
        elif isinstance(event, Progressed):
            display.advanced(event.shard, event.images, event.errors)
        elif isinstance(event, Died):
            deaths += 1
            display.restarted(event.shard)
            display.note(f"shard {event.shard}: {event.reason}; it is done again")
        elif isinstance(event, Failed):
            failed[event.shard] = event.reason
            display.restarted(event.shard)
            display.note(f"shard {event.shard} failed: {event.reason}")
        elif isinstance(event, Started):
            display.nodes = event.nodes
    return counts, deaths, failed
