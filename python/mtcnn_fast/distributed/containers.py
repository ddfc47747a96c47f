"""Images in tars and in Parquet files: where they are, and their bytes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any

from mtcnn_fast.distributed.extras import arrow, parquet
from mtcnn_fast.distributed.stores import url_of
from mtcnn_fast.distributed.tables import Shard
from mtcnn_fast.errors import DataError
from mtcnn_fast.files import IMAGE_SUFFIXES

#: Names of columns with images' files that data sets use; of a struct the field.
BYTES_COLUMNS = ("image.bytes", "image", "bytes", "content", "data", "jpg", "jpeg", "png", "webp")

#: Rows of a Parquet file that are read at a time.
_ROWS = 32


def tar_shard(filesystem: Any, path: str, tag: str | None) -> Shard:
    """List the images in a tar.

    Raises
    ------
    DataError
        If it is damaged, or has no image.
    """
    url = url_of(filesystem, path)
    members = []
    try:
        with filesystem.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.isreg() and member.name.lower().endswith(tuple(IMAGE_SUFFIXES)):
                    members.append((member.name, member.offset_data, member.size))
                # The list that the module keeps for its own use grows by each member.
                tar.members = []  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise DataError(f"is no tar that can be read ({error})", url) from error
    if not members:
        raise DataError("has no image in it", url)
    names, offsets, sizes = (list(column) for column in zip(*members, strict=True))
    # A name of other bytes than UTF-8 is written with escapes; the image is found by its place.
    clean = [name.encode(errors="surrogateescape").decode(errors="backslashreplace") for name in names]
    nothing: list[Any] = [None] * len(names)
    return Shard("tar", [f"tar://{name}::{url}" for name in clean], nothing, offsets, sizes, nothing, url, tag)


def parquet_shards(
    filesystem: Any, path: str, tag: str | None, bytes_column: str | None, key_column: str | None
) -> Iterator[Shard]:
    """List the rows of a Parquet file, a shard for each row group.

    Raises
    ------
    DataError
        If it is damaged, or a column is missing.
    """
    url = url_of(filesystem, path)
    try:
        with filesystem.open(path, "rb") as opened:
            file = parquet().ParquetFile(opened)
            column = _bytes_column(file.schema_arrow, bytes_column, url)
            if key_column is not None and key_column not in file.schema_arrow.names:
                raise DataError(f"has no column {key_column!r}; there are {', '.join(file.schema_arrow.names)}", url)
            row = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if key_column is None:
                    paths = [f"{url}#{number}" for number in range(row, row + count)]
                else:
                    keys = file.read_row_group(group, columns=[key_column]).column(key_column).to_pylist()
                    paths = [str(key) for key in keys]
                row += count
                if count:
                    nothing: list[Any] = [None] * count
                    yield Shard(
                        "parquet", paths, nothing, list(range(count)), nothing, nothing, url, tag, group, column
                    )
    except arrow().ArrowException as error:
        raise DataError(f"is no Parquet file that can be read ({error})", url) from error


def _bytes_column(schema: Any, wanted: str | None, url: str) -> str:
    """Return the column that holds files of images, as a path of names."""
    types = arrow().types
    binary = {}
    for field in schema:
        if types.is_binary(field.type) or types.is_large_binary(field.type):
            binary[field.name] = field.name
        elif types.is_struct(field.type):
            for i in range(field.type.num_fields):
                inner = field.type.field(i)
                if types.is_binary(inner.type) or types.is_large_binary(inner.type):
                    binary[f"{field.name}.{inner.name}"] = inner.name
    if wanted is not None:
        if wanted not in binary:
            raise DataError(f"has no column {wanted!r} of bytes; there are {', '.join(binary) or 'none'}", url)
        return wanted
    named = [name for name in BYTES_COLUMNS if name in binary] or list(binary)
    if not named or (len(binary) > 1 and named[0] not in BYTES_COLUMNS):
        found = ", ".join(binary) or "none"
        raise DataError(f"must have one column of bytes, or one of them named by bytes_column; there are {found}", url)
    return named[0]


def tar_bytes(file: Any, shard: Shard, start: int) -> Iterator[bytes]:
    """Yield the bytes of a tar's images, from one of them on."""
    for offset, size in zip(shard.offsets[start:], shard.sizes[start:], strict=True):
        file.seek(offset)
        yield file.read(size)


def parquet_bytes(file: Any, shard: Shard, start: int) -> Iterator[bytes | None]:
    """Yield the bytes of a row group's images, from one of them on; None for a row without."""
    column, _, field = str(shard.column).partition(".")
    place = 0
    reader = parquet().ParquetFile(file)
    for batch in reader.iter_batches(_ROWS, row_groups=[shard.row_group], columns=[shard.column], use_threads=False):
        values = batch.column(column)
        if field:
            values = arrow().compute.struct_field(values, field)
        for value in values:
            if place >= start:
                yield value.as_py()
            place += 1
