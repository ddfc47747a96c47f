"""Shards as tasks of a Ray cluster."""

from __future__ import annotations

import dataclasses
import functools
import os
import statistics
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from mtcnn_fast.distributed.events import Died, Event, Failed, Finished, Started
from mtcnn_fast.distributed.extras import ray as require_ray
from mtcnn_fast.distributed.isolation import run_isolated
from mtcnn_fast.distributed.pending import Pending
from mtcnn_fast.distributed.planning import Plan, read_plan
from mtcnn_fast.distributed.shard_work import CommitError, ShardRunner, ShardSummary, described
from mtcnn_fast.errors import DataError

#: Tasks that share a GPU, so that it has work while others decode.
GPU_SHARE = 0.25
#: A last shard that takes this many times as long as others is also done elsewhere; which of both ends first does not
#: matter, as both write the same part.
PATIENCE = 3.0
#: Seconds that a shard has at least before it is done elsewhere too.
LEAST = 5.0


def resources_of(device: str, cluster: Mapping[str, float]) -> dict[str, float]:
    """Return what a task asks of Ray: a processor, and a part of a GPU where the detector would use one.

    Parameters
    ----------
    device : str
        That of the plan.
    cluster : mapping of str to float
        What the cluster has.
    """
    gpu = device.startswith("cuda") or (device == "auto" and cluster.get("GPU", 0) > 0)
    return {"num_cpus": 1, "num_gpus": GPU_SHARE} if gpu else {"num_cpus": 1}


def slots_of(needs: Mapping[str, float], cluster: Mapping[str, float]) -> int:
    """Return how many tasks run at a time."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU"}
    return int(min(cluster.get(names[name], 0) / amount for name, amount in needs.items()))


@dataclasses.dataclass(slots=True)
class _Task:
    shard: int
    began: float


def ray_events(prefix: str, plan: Plan, pending: Pending, workers: int | None, address: str | None) -> Iterator[Event]:
    """Do the shards as tasks, at most as many at a time as the cluster has room for."""
    ray = require_ray()
    own = not ray.is_initialized()
    if own:
        _connect(ray, address)
    try:
        job = _Job(ray, prefix, plan, pending, workers)
        yield from job.events()
    finally:
        if own:
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    new = address is None and not os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address=address, log_to_driver=False, **({"include_dashboard": False} if new else {}))
    except ConnectionError as error:
        raise DataError(f"the Ray cluster at {address!r} cannot be reached ({error})") from error


class _Job:
    def __init__(self, ray: Any, prefix: str, plan: Plan, pending: Pending, workers: int | None) -> None:
        self._ray = ray
        self._prefix = prefix
        self._plan = plan
        self._pending = pending
        self._most = workers
        self._todo = deque(pending.todo)
        self._left = set(pending.todo)
        self._tasks: dict[Any, _Task] = {}
        self._times: list[float] = []
        self._nodes = 0
        errors = ray.exceptions
        self._deaths = (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.RaySystemError,
        )
        self._needs = resources_of(plan.settings.device, ray.cluster_resources())
        # Ray itself does not try again: it would do so for ever with an image that ends its process.
        self._remote = ray.remote(**self._needs, max_retries=0)(_do_shard)

    def events(self) -> Iterator[Event]:
        try:
            while self._left:
                yield from self._node_events()
                self._submit()
                ready, _ = self._ray.wait(list(self._tasks), timeout=1.0)
                for reference in ready:
                    yield from self._ended(reference)
        finally:
            for reference in self._tasks:
                self._ray.cancel(reference, force=True)
            self._pending.unmark_all()

    def _node_events(self) -> Iterator[Event]:
        nodes = sum(1 for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU"))
        if nodes != self._nodes:
            self._nodes = nodes
            yield Started(nodes)

    def _submit(self) -> None:
        slots = slots_of(self._needs, self._ray.cluster_resources())
        # One more than there is room for, so that no processor waits for an answer from here.
        room = (max(slots, 1) + 1 if self._most is None else self._most) - len(self._tasks)
        while room > 0 and self._todo:
            self._start(self._todo.popleft())
            room -= 1
        late = self._late() if room > 1 else None
        if late is not None:
            self._start(late)

    def _start(self, index: int) -> None:
        self._pending.mark(index)
        reference = self._remote.remote(
            self._prefix, self._plan.id, index, self._pending.is_isolated(index), int(self._needs["num_cpus"])
        )
        self._tasks[reference] = _Task(index, time.monotonic())

    def _late(self) -> int | None:
        """Return a shard that takes too long on its node, if it is done there alone."""
        if not self._times:
            return None
        limit = max(LEAST, PATIENCE * statistics.median(self._times))
        shards = [task.shard for task in self._tasks.values()]
        for task in self._tasks.values():
            if time.monotonic() - task.began > limit and shards.count(task.shard) == 1:
                return task.shard
        return None

    def _ended(self, reference: Any) -> Iterator[Event]:
        task = self._tasks.pop(reference)
        try:
            result = self._ray.get(reference)
        # The worker or its node, which are not told apart: both leave a shard to be done again.
        except self._deaths as error:
            if task.shard in self._left:
                yield Died(task.shard, f"worker died ({type(error).__name__})")
                yield from self._again(task.shard, str(error), died=True)
            return
        if task.shard not in self._left:
            return
        if "done" in result:
            self._left.discard(task.shard)
            self._times.append(time.monotonic() - task.began)
            self._drop_others(task.shard)
            yield Finished(ShardSummary(**result["done"]))
        elif "failed" in result:
            yield from self._again(task.shard, result["failed"], died=False)
        else:
            raise DataError(result["fatal"])

    def _drop_others(self, index: int) -> None:
        for reference in [other for other, task in self._tasks.items() if task.shard == index]:
            del self._tasks[reference]
            self._ray.cancel(reference, force=True)

    def _again(self, index: int, reason: str, *, died: bool) -> Iterator[Event]:
        if any(task.shard == index for task in self._tasks.values()):
            return
        if self._pending.gives_up(index, died=died):
            self._left.discard(index)
            yield Failed(index, reason)
        else:
            self._todo.appendleft(index)


@functools.lru_cache(maxsize=1)
def _runner(prefix: str, plan_id: str, num_threads: int) -> ShardRunner:
    """Return the runner that this worker process keeps from task to task."""
    plan = read_plan(prefix)
    if plan.id != plan_id:
        raise CommitError("another plan has taken the place of this run's", prefix)
    return ShardRunner(prefix, num_threads, plan)


def _do_shard(prefix: str, plan_id: str, index: int, isolated: bool, num_threads: int) -> dict[str, Any]:
    """Do a shard in a worker of Ray; what goes wrong is returned, since not every exception can travel."""
    try:
        if isolated:
            return {"done": dataclasses.asdict(run_isolated(prefix, index, num_threads))}
        return {"done": dataclasses.asdict(_runner(prefix, plan_id, num_threads).run(index))}
    except CommitError as error:
        return {"fatal": str(error)}
    except Exception as error:
        return {"failed": described(error)}
