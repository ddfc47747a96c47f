"""The Parquet tables of a batch: shards of a plan, and parts of the result."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtcnn_fast.distributed.extras import arrow, parquet
from mtcnn_fast.faces import Faces

#: The key of our facts in a schema's metadata.
_FACTS = b"mtcnn_fast"


@dataclasses.dataclass(frozen=True, slots=True)
class Shard:
    """Inputs that are one unit of work, of retry and of commit.

    Attributes
    ----------
    kind : {"files", "tar", "parquet"}
    paths : list of str
        What the result calls each input.
    raw : list of bytes or None
        A local file's name where it is no valid text.
    offsets : list of int
        Where an input begins in a tar, or its row in a row group; 0 for a file.
    sizes : list of int or None
        Bytes, where they are known.
    tags : list of str or None
        The modification time or the entity tag of a file, where it is known.
    container : str or None
        The tar or the Parquet file.
    tag : str or None
        That of the container.
    row_group : int or None
    column : str or None
        Of a Parquet file: where the bytes of the images are; ``image.bytes`` for a field of a struct.
    """

    kind: str
    paths: list[str]
    raw: list[bytes | None]
    offsets: list[int]
    sizes: list[int | None]
    tags: list[str | None]
    container: str | None = None
    tag: str | None = None
    row_group: int | None = None
    column: str | None = None

    def __len__(self) -> int:
        return len(self.paths)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """The result of one input: its faces, or an error."""

    path: str
    faces: Faces | None
    seconds: float
    error: str | None = None


def _write(table: Any, facts: Mapping[str, Any]) -> bytes:
    table = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
    file = io.BytesIO()
    parquet().write_table(table, file, compression="zstd")
    return file.getvalue()


def read_facts(schema: Any) -> dict[str, Any]:
    """Return what a table says of itself; an empty dict for one that is not ours."""
    text = (schema.metadata or {}).get(_FACTS)
    facts: dict[str, Any] = {} if text is None else json.loads(text)
    return facts


def write_shard(shard: Shard) -> bytes:
    """Return a shard as Parquet."""
    pa = arrow()
    columns = {
        "path": pa.array(shard.paths, pa.string()),
        "raw": pa.array(shard.raw, pa.binary()),
        "offset": pa.array(shard.offsets, pa.int64()),
        "size": pa.array(shard.sizes, pa.int64()),
        "tag": pa.array(shard.tags, pa.string()),
    }
    facts = {name: getattr(shard, name) for name in ("kind", "container", "tag", "row_group", "column")}
    return _write(pa.table(columns), facts)


def _read(data: bytes) -> Any:
    # Without Arrow's threads: one that lets go of Python's memory while the process ends may end it by SIGABRT.
    return parquet().ParquetFile(arrow().BufferReader(data), pre_buffer=False).read(use_threads=False)


def read_shard(data: bytes) -> Shard:
    """Undo `write_shard`."""
    table = _read(data)
    columns = [table.column(name).to_pylist() for name in ("path", "raw", "offset", "size", "tag")]
    facts = read_facts(table.schema)
    return Shard(facts.pop("kind"), *columns, **facts)


def part_schema() -> Any:
    """Return the columns of a result; boxes are x1, y1, x2, y2 and landmarks five pairs x, y, in pixels."""
    pa = arrow()
    number = pa.float32()
    return pa.schema(
        [
            ("path", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("boxes", pa.list_(pa.list_(number, 4))),
            ("scores", pa.list_(number)),
            ("landmarks", pa.list_(pa.list_(pa.list_(number, 2), 5))),
            ("settings", pa.string()),
            ("seconds", number),
            ("error", pa.string()),
        ]
    )


def part_table(rows: Sequence[Row], settings: str) -> Any:
    """Return rows as an Arrow table with the columns of `part_schema`.

    An input with an error has null in place of width, height, boxes, scores and landmarks.
    """
    pa = arrow()
    faces = [row.faces for row in rows]
    missing = np.array([each is None for each in faces], bool)
    ends = np.cumsum([0, *(0 if each is None else len(each) for each in faces)], dtype=np.int32)
    found = [each for each in faces if each is not None]

    def numbers(name: str, shape: tuple[int, ...]) -> Any:
        joined = np.concatenate([np.empty((0, *shape), np.float32), *(getattr(each, name) for each in found)])
        values = pa.array(joined.ravel(), pa.float32())
        for length in reversed(shape):
            values = pa.FixedSizeListArray.from_arrays(values, length)
        return pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(missing))

    columns = [
        pa.array([row.path for row in rows], pa.string()),
        *(pa.array([each if each is None else each.image_size[axis] for each in faces], pa.int32()) for axis in (0, 1)),
        numbers("boxes", (4,)),
        numbers("scores", ()),
        numbers("landmarks", (5, 2)),
        pa.array([settings] * len(rows), pa.string()),
        pa.array([row.seconds for row in rows], pa.float32()),
        pa.array([row.error for row in rows], pa.string()),
    ]
    return pa.table(columns, schema=part_schema())


def write_part(rows: Sequence[Row], facts: Mapping[str, Any]) -> bytes:
    """Return a part as Parquet; its facts say which plan and shard it is of, and what computed it."""
    return _write(part_table(rows, str(facts["settings"])), facts)


def read_part(data: bytes) -> tuple[Any, dict[str, Any]]:
    """Return the table of a part, and its facts."""
    table = _read(data)
    return table, read_facts(table.schema)
