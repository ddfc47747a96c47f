"""`finish` and `verify`: the proof that each input has one row."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mtcnn_fast.checks import Count
from mtcnn_fast.distributed.extras import parquet
from mtcnn_fast.distributed.planning import Plan, part_name, read_plan, read_planned, shard_name
from mtcnn_fast.distributed.shard_work import ShardRunner
from mtcnn_fast.distributed.stores import Store
from mtcnn_fast.distributed.tables import part_schema, part_table, read_facts, read_part
from mtcnn_fast.errors import DataError

MANIFEST = "manifest.json"

#: What the same image has however often it is done; its seconds are not of it.
_RESULT = ("path", "width", "height", "boxes", "scores", "landmarks", "settings", "error")
#: Problems after which no more are listed.
_MOST = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    inputs : int
        Inputs of the plan.
    rows : int
        Rows of all parts that the plan names.
    errors : int
        Rows with an error.
    faces : int
    recomputed : int
        Rows that were computed again here and compared, to the last bit.
    engines : dict of str to int
        Parts by what computed them.
    digest : str
        SHA-256 of all results but the seconds, in the plan's order: equal digests mean equal results.
    problems : list of str
        What is wrong; empty if every input has exactly one row.
    """

    inputs: int
    rows: int
    errors: int
    faces: int
    recomputed: int
    engines: dict[str, int]
    digest: str
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Whether every input has exactly one row, and nothing else is there."""
        return not self.problems


def finish(out: str | os.PathLike[str]) -> dict[str, Any]:
    """Check that every part is there and has its number of rows, and write ``manifest.json``.

    It reads the ends of the parts only; `verify` reads them whole.

    Parameters
    ----------
    out : path or URL
        Where the plan is.

    Returns
    -------
    manifest : dict
        ``inputs``, ``rows``, ``shards``, ``settings_hash``, ``engines``.

    Raises
    ------
    DataError
        If a part is missing, of another plan, or has another number of rows.
    """
    store, plan = Store(os.fspath(out)), read_plan(out)
    problems = _strays(store, plan)
    engines: Counter[str] = Counter()
    rows = 0
    for index in range(len(plan.counts)):
        facts, count = _end_of(store, index)
        problems += _problems_of_part(plan, index, facts, count)
        rows += count
        engines[str(facts.get("engine"))] += count > 0
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise DataError(f"the batch is not finished: {problems[0]}{more}; run it again to resume", store.url)
    manifest = {
        "plan": plan.id,
        "inputs": plan.inputs,
        "rows": rows,
        "shards": len(plan.counts),
        "settings_hash": plan.settings.hash,
        "engines": dict(engines),
    }
    store.write(MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    store.remove("attempts", store.names("attempts"))
    # What a process left that was killed while it wrote.
    store.remove("data", {name for name in store.names("data") if name.endswith(".partial")})
    return manifest


def _end_of(store: Store, index: int) -> tuple[dict[str, Any], int]:
    """Return the facts and the number of rows of a part; none where it is missing or damaged."""
    try:
        with store.open(part_name(index)) as opened:
            file = parquet().ParquetFile(opened)
            return read_facts(file.schema_arrow), int(file.metadata.num_rows)
    # pyarrow's errors are of several kinds, and so are those of the stores.
    except Exception as error:
        return {"unreadable": "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"}, 0


def _problems_of_part(plan: Plan, index: int, facts: dict[str, Any], count: int) -> list[str]:
    name = part_name(index)
    if "unreadable" in facts:
        return [f"{name} {facts['unreadable']}"]
    expected = {"plan": plan.id, "shard": index, "settings": plan.settings.hash}
    problems = [
        f"{name} has {key} {facts.get(key)!r}, the plan {value!r}"
        for key, value in expected.items()
        if facts.get(key) != value
    ]
    if count != plan.counts[index]:
        problems.append(f"{name} has {count} rows for {plan.counts[index]} inputs")
    return problems


def _strays(store: Store, plan: Plan) -> list[str]:
    """Name Parquet files beside the parts: whoever reads the whole folder would count their rows too."""
    planned = {part_name(index).partition("/")[2] for index in range(len(plan.counts))}
    strays = sorted(name for name in store.names("data") - planned if name.endswith(".parquet"))
    return [f"data/{name} is no part of the plan: remove it" for name in strays]


def verify(out: str | os.PathLike[str], *, recompute: int | None = 0, seed: int = 0) -> Verification:
    """Read every part and compare it with the plan, row by row.

    Parameters
    ----------
    out : path or URL
        Where the plan is.
    recompute : int or None
        How many rows, chosen at random, are computed again in this process and compared to the last bit; None for all.
    seed : int
        Chooses them.

    Returns
    -------
    Verification

    Raises
    ------
    DataError
        If there is no plan.
    """
    if recompute is not None:
        Count(0)("recompute", recompute)
    store, plan = Store(os.fspath(out)), read_plan(out)
    check = _Check(store, plan, _chosen(plan, recompute, seed))
    for index in range(len(plan.counts)):
        check.part(index)
    problems = _strays(store, plan) + check.problems
    if len(problems) > _MOST:
        problems = [*problems[:_MOST], f"and {len(problems) - _MOST} more"]
    return Verification(
        plan.inputs,
        check.rows,
        check.errors,
        check.faces,
        check.recomputed,
        dict(check.engines),
        check.digest.hexdigest(),
        problems,
    )


def _chosen(plan: Plan, recompute: int | None, seed: int) -> dict[int, list[int]]:
    """Choose rows, by shard."""
    if recompute is None or recompute >= plan.inputs:
        return {index: list(range(count)) for index, count in enumerate(plan.counts)}
    numbers = iter(sorted(random.Random(seed).sample(range(plan.inputs), recompute)))
    chosen: dict[int, list[int]] = {}
    start = 0
    number = next(numbers, None)
    for index, count in enumerate(plan.counts):
        while number is not None and number < start + count:
            chosen.setdefault(index, []).append(number - start)
            number = next(numbers, None)
        start += count
    return chosen


class _Check:
    def __init__(self, store: Store, plan: Plan, chosen: dict[int, list[int]]) -> None:
        self._store = store
        self._plan = plan
        self._chosen = chosen
        self._runner = ShardRunner(store.url, 1, plan)
        self.rows = self.errors = self.faces = self.recomputed = 0
        self.engines: Counter[str] = Counter()
        self.digest = hashlib.sha256()
        self.problems: list[str] = []

    def part(self, index: int) -> None:
        name = part_name(index)
        try:
            table, facts = read_part(self._store.read(name))
        # pyarrow's errors are of several kinds, and so are those of the stores.
        except Exception as error:
            missing = isinstance(error, FileNotFoundError)
            self.problems.append(f"{name} {'is missing' if missing else f'cannot be read ({error})'}")
            return
        self.rows += table.num_rows
        self.engines[str(facts.get("engine"))] += 1
        if table.schema.remove_metadata() != part_schema():
            self.problems.append(f"{name} has other columns than a part")
            return
        found = _problems_of_part(self._plan, index, facts, table.num_rows)
        shard = read_planned(self._store, index)
        if len(shard) != self._plan.counts[index]:
            found.append(f"{shard_name(index)} has {len(shard)} inputs, the plan {self._plan.counts[index]}")
        found += self._wrong_rows(name, table, shard.paths)
        self.problems += found
        for values in zip(*(table.column(column).to_pylist() for column in _RESULT), strict=True):
            self.digest.update(repr(values).encode())
            self.errors += values[-1] is not None
            self.faces += len(values[4] or ())
        if not found:
            self.problems += self._other_results(index, table)

    def _wrong_rows(self, name: str, table: Any, paths: list[str]) -> list[str]:
        written = table.column("path").to_pylist()
        for row, (here, planned) in enumerate(zip(written, paths, strict=False)):
            if here != planned:
                return [f"{name} row {row} is of {here!r}, planned is {planned!r}"]
        settings = set(table.column("settings").to_pylist())
        if settings - {self._plan.settings.hash}:
            return [f"{name} has rows of other settings than the plan's"]
        return []

    def _other_results(self, index: int, table: Any) -> Iterator[str] | list[str]:
        problems = []
        for row in self._chosen.get(index, []):
            written = [table.column(column)[row].as_py() for column in _RESULT]
            if str(written[-1] or "").startswith("worker died"):
                # Computing it again here would end this process too.
                continue
            shard = read_planned(self._store, index)
            computed = next(self._runner.rows(shard, row, one_by_one=True))
            again = part_table([computed], self._plan.settings.hash)
            if written != [again.column(column)[0].as_py() for column in _RESULT]:
                problems.append(f"{part_name(index)} row {row} ({written[0]!r}) has another result than computed here")
            self.recomputed += 1
        return problems
