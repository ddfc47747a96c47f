"""What an executor reports of its shards."""

from __future__ import annotations

import dataclasses

from mtcnn_fast.distributed.shard_work import ShardSummary


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """Workers are ready on so many nodes."""

    nodes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Progressed:
    """Images of a shard are done, but not committed."""

    shard: int
    images: int
    errors: int


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A shard is committed."""

    summary: ShardSummary


@dataclasses.dataclass(frozen=True, slots=True)
class Died:
    """The worker of a shard died; the shard is done again."""

    shard: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """A shard is given up by this run."""

    shard: int
    reason: str


Event = Started | Progressed | Finished | Died | Failed
