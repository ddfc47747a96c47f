"""The packages of the extras ``batch`` and ``ray``, imported when they are first needed."""

from __future__ import annotations

from typing import Any

from mtcnn_fast.optional import require

BATCH = "pip install 'mtcnn-fast[batch]'"
RAY = "pip install 'mtcnn-fast[ray]'"


def arrow() -> Any:
    """Return pyarrow."""
    return require("pyarrow", "a batch", BATCH)


def parquet() -> Any:
    """Return ``pyarrow.parquet``."""
    return require("pyarrow.parquet", "a batch", BATCH)


def filesystems() -> Any:
    """Return ``fsspec.core``."""
    return require("fsspec.core", "a batch", BATCH)


def ray() -> Any:
    """Return ray."""
    return require("ray", "the executor 'ray'", RAY)
