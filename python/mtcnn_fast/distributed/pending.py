"""`Pending`: the shards that a run has still to do."""

from __future__ import annotations

import re
import uuid
from collections import Counter

from mtcnn_fast.distributed.planning import Plan, part_name
from mtcnn_fast.distributed.stores import Store

#: Deaths of its workers after which a shard is done image by image in child processes.
DEATHS = 2
#: Deaths of a shard after which it is not the images that end its workers.
MOST_DEATHS = 8
#: Failures of a shard after which this run leaves it to the next.
FAILURES = 2

_MARK = re.compile(r"part-(\d{6,})\.")


class Pending:
    """The shards that a run has still to do, and what happened to each.

    Parameters
    ----------
    store : Store
    plan : Plan
    share : (int, int)
        This run's number among several, and how many there are.
    """

    def __init__(self, store: Store, plan: Plan, share: tuple[int, int]) -> None:
        self._store = store
        mine = range(share[0], len(plan.counts), share[1])
        there = store.names("data")
        self.inputs = sum(plan.counts[index] for index in mine)
        self.todo = [index for index in mine if part_name(index).partition("/")[2] not in there]
        self.resumed = self.inputs - sum(plan.counts[index] for index in self.todo)
        # A run that was killed left a mark for each shard that it had begun: one that kills its run is found by them.
        marks = Counter(int(match[1]) for match in map(_MARK.match, store.names("attempts")) if match)
        self.deaths = Counter({index: min(count, DEATHS) for index, count in marks.items()})
        self.failures: Counter[int] = Counter()
        self._marks: dict[int, str] = {}

    def mark(self, index: int) -> None:
        """Note that a shard is begun, so that this outlives the run."""
        if index not in self._marks:
            self._marks[index] = f"part-{index:06d}.{uuid.uuid4().hex[:8]}"
            self._store.write(f"attempts/{self._marks[index]}", b"")

    def unmark(self, index: int) -> None:
        """Note that a shard has ended, or that its run ends in order."""
        mark = self._marks.pop(index, None)
        if mark is not None:
            self._store.remove("attempts", {mark})

    def unmark_all(self) -> None:
        """Note that the run ends in order."""
        for index in list(self._marks):
            self.unmark(index)

    def is_isolated(self, index: int) -> bool:
        """Tell whether a shard is to be done image by image."""
        return self.deaths[index] >= DEATHS

    def gives_up(self, index: int, *, died: bool) -> bool:
        """Count a death or a failure of a shard, and tell whether this run leaves it to the next."""
        counter, most = (self.deaths, MOST_DEATHS) if died else (self.failures, FAILURES)
        counter[index] += 1
        return counter[index] >= most
