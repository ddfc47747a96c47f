"""Parquet files of faces: a row for each image, its faces as lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtcnn_fast.files import whole_file
from mtcnn_fast.optional import require

Record = tuple[str, Mapping[str, Any]]

#: Images in a row group, as many as are held before they are written.
GROUP = 1000

_INSTALL = "pip install pyarrow"


@contextmanager
def parquet_writer(
    path: str | os.PathLike[str], *, errors: bool = False, ids: bool = False, purpose: str = "Parquet files"
) -> Iterator[ParquetRows]:
    """Open a file for rows that are written as they come; it is there whole or not at all.

    Columns: ``image`` (string), ``width``, ``height`` (int32), ``boxes``, ``scores``, ``landmarks`` (lists of float32),
    and on request ``error`` (string, null where there is none) and ``ids`` (list of int64, null without tracks).

    Parameters
    ----------
    path : path-like or str
    errors : bool
        Whether there is a column for errors.
    ids : bool
        Whether there is a column for ids of tracks.
    purpose : str
        What needs pyarrow, for the message without it.

    Yields
    ------
    rows : ParquetRows

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    OSError
        If the file cannot be written.
    """
    arrow = require("pyarrow", purpose, _INSTALL)
    parquet = require("pyarrow.parquet", purpose, _INSTALL)
    schema = _schema(arrow, errors, ids)
    with whole_file(path) as file, parquet.ParquetWriter(file, schema) as writer:

        def write(rows: list[dict[str, Any]]) -> None:
            with _naming(path):
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))

        found = ParquetRows(write, errors, ids)
        yield found
        found.flush()
        with _naming(path):
            writer.close()


class ParquetRows:
    """Gathers rows to groups.

    Parameters
    ----------
    write : callable
        Writes a group.
    errors : bool
        Whether rows have errors.
    ids : bool
        Whether rows have ids of tracks.
    """

    def __init__(self, write: Callable[[list[dict[str, Any]]], None], errors: bool, ids: bool) -> None:
        self._write = write
        self._errors = errors
        self._ids = ids
        self._rows: list[dict[str, Any]] = []

    def add(self, image: str, record: Mapping[str, Any], error: str | None = None) -> None:
        """Add a row.

        Parameters
        ----------
        image : str
            Name. Bytes that are no text become escapes, as Parquet holds UTF-8 only.
        record : mapping
            What `Faces.to_dict` returns; without a size where an image could not be read.
        error : str, optional
        """
        row = {
            "image": _as_utf8(image),
            "width": record["width"],
            "height": record["height"],
            "boxes": [face["box"] for face in record["faces"]],
            "scores": [face["score"] for face in record["faces"]],
            "landmarks": [face["landmarks"] for face in record["faces"]],
        }
        if self._ids:
            row["ids"] = [face["id"] for face in record["faces"]] if is_tracked(record) else None
        if self._errors:
            row["error"] = None if error is None else _as_utf8(error)
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        if self._rows:
            self._write(self._rows)
            self._rows = []


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the file's name to errors of the system that have none, as when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def is_tracked(record: Mapping[str, Any]) -> bool:
    """Tell whether the faces of a record have ids."""
    return any("id" in face for face in record["faces"])


def _schema(arrow: Any, errors: bool, ids: bool) -> Any:
    numbers = arrow.list_(arrow.float32())
    fields = [
        ("image", arrow.string()),
        ("width", arrow.int32()),
        ("height", arrow.int32()),
        ("boxes", arrow.list_(numbers)),
        ("scores", numbers),
        ("landmarks", arrow.list_(arrow.list_(numbers))),
    ]
    fields += [("ids", arrow.list_(arrow.int64()))] if ids else []
    return arrow.schema([*fields, ("error", arrow.string())] if errors else fields)


def write_parquet(path: Path, records: Sequence[Record]) -> None:
    """Write records to a file, whole or not at all."""
    with parquet_writer(path, ids=any(is_tracked(record) for _, record in records)) as rows:
        for image, record in records:
            rows.add(image, record)


def read_parquet(path: Path, size_of: object) -> list[Record]:
    """Read records; images that could not be read, which have an error and no size, are left out."""
    parquet = require("pyarrow.parquet", "Parquet files", _INSTALL)
    rows = parquet.read_table(path, use_threads=False, pre_buffer=False).to_pylist()
    return [(row["image"], _record(row)) for row in rows if not (row.get("error") and row["width"] is None)]


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    faces = zip(row["boxes"], row["scores"], row["landmarks"], strict=True)
    found = [{"box": box, "score": score, "landmarks": points} for box, score, points in faces]
    if row.get("ids") is not None:
        found = [{"id": track, **face} for track, face in zip(row["ids"], found, strict=True)]
    return {"width": row["width"], "height": row["height"], "faces": found}
