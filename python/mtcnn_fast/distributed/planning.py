"""`plan`: list the inputs once, and write down what is to be done."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from mtcnn_fast.distributed.decoding import decoder as find_decoder
from mtcnn_fast.distributed.listing import Limits, find_shards
from mtcnn_fast.distributed.settings import BatchSettings
from mtcnn_fast.distributed.stores import Store
from mtcnn_fast.distributed.tables import Shard, read_shard, write_shard
from mtcnn_fast.errors import ConfigError, DataError

PLAN = "plan.json"
FORMAT = 1


def shard_name(index: int) -> str:
    """Return the name of a planned shard."""
    return f"plan/shard-{index:06d}.parquet"


def part_name(index: int) -> str:
    """Return the name of a shard's result."""
    return f"data/part-{index:06d}.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What a batch has to do.

    Attributes
    ----------
    id : str
        Each plan has its own; a part of another plan is not taken for one of this.
    settings : BatchSettings
    counts : tuple of int
        Inputs of each shard.
    """

    id: str
    settings: BatchSettings
    counts: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """The number of inputs, and of the rows that the result must have."""
        return sum(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain objects."""
        return {
            "format": FORMAT,
            "id": self.id,
            "inputs": self.inputs,
            "settings_hash": self.settings.hash,
            "settings": self.settings.to_dict(),
            "counts": list(self.counts),
        }


def plan(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    shard_images: int = 2000,
    shard_bytes: int = 256_000_000,
    bytes_column: str | None = None,
    key_column: str | None = None,
    decoder: str = "pillow",
    **settings: Any,
) -> Plan:
    """List the inputs once and cut them into shards, below ``out/plan``.

    Parameters
    ----------
    inputs : path, URL, or several
        Folders (searched to any depth), image files, patterns, lists of paths (``.txt``, ``.lst``; relative paths begin
        at the list's folder), uncompressed tars and Parquet files with the bytes of images.
    out : path or URL
        Where plan and results go.
    shard_images, shard_bytes : int
        Where a shard of single files ends. A tar is one shard, and so is a row group of a Parquet file.
    bytes_column : str or None
        Column of a Parquet file with the images; ``image.bytes`` is a field of a struct. None finds it.
    key_column : str or None
        Column of a Parquet file whose value becomes ``path`` in the result. None makes it of file and row number.
    decoder : {"pillow", "simplejpeg"}
        What decodes upright gray and color JPEGs; the other has the same pixels and takes less time (extra ``jpeg``).
    **settings
        Settings of `mtcnn_fast.Detector`, `device` and `weights` included. The number of threads is not one of them: it
        does not change results.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        If there is a plan already, or an input cannot be listed.
    ConfigError, WeightsError
        If a setting is not accepted.
    MissingExtraError
        If pyarrow, fsspec or simplejpeg is missing.
    """
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    if not given:
        raise ConfigError("inputs must name at least one folder, file, list, tar or Parquet file, got none")
    find_decoder(decoder)
    checked = BatchSettings.of(settings, decoder)
    limits = Limits(shard_images, shard_bytes)
    store = Store(os.fspath(out))
    if _exists(store):
        raise DataError("there is a plan already: run it, or give another place", store.path(PLAN))
    _refuse_old_parts(store)
    shards = find_shards(
        [os.fspath(each) for each in given],
        limits,
        prefix=store.url,
        bytes_column=bytes_column,
        key_column=key_column,
    )
    counts = _write_shards(store, shards)
    made = Plan(uuid.uuid4().hex, checked, tuple(counts))
    # Written last: without it there is no plan, and what an interrupted planning left is written anew.
    store.write(PLAN, (json.dumps(made.to_dict()) + "\n").encode())
    return made


def _exists(store: Store) -> bool:
    try:
        store.read(PLAN)
    except FileNotFoundError:
        return False
    return True


def _refuse_old_parts(store: Store) -> None:
    if store.names("data"):
        raise DataError("there are parts of another batch: give another place, or remove them", store.path("data"))


def _write_shards(store: Store, shards: Iterable[Shard]) -> Sequence[int]:
    counts = []
    for index, shard in enumerate(shards):
        store.write(shard_name(index), write_shard(shard))
        counts.append(len(shard))
    return counts


def read_plan(out: str | os.PathLike[str]) -> Plan:
    """Read the plan of a batch.

    Raises
    ------
    DataError
        If there is none, or it is of another format.
    """
    store = Store(os.fspath(out))
    try:
        values = json.loads(store.read(PLAN))
    except FileNotFoundError as error:
        raise DataError("there is no plan: make one with `mtcnn-fast batch plan`", store.path(PLAN)) from error
    except ValueError as error:
        raise DataError(f"is no plan ({error})", store.path(PLAN)) from error
    if values.get("format") != FORMAT:
        raise DataError(f"is of format {values.get('format')!r}, accepted: {FORMAT}", store.path(PLAN))
    settings = BatchSettings.from_dict(values["settings"])
    return Plan(values["id"], settings, tuple(values["counts"]))


def read_planned(store: Store, index: int) -> Shard:
    """Read a shard of the plan."""
    try:
        return read_shard(store.read(shard_name(index)))
    except FileNotFoundError as error:
        raise DataError("is missing, though it is planned", store.path(shard_name(index))) from error
