"""Without pyarrow and fsspec there are no batches to test."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

MISSING = [name for name in ("pyarrow", "fsspec") if importlib.util.find_spec(name) is None]

#: Tests of this folder that need neither.
WITHOUT = {"test_missing_extras.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if MISSING and here in item.path.parents and item.path.name not in WITHOUT:
            item.add_marker(pytest.mark.skip(reason=f"{' and '.join(MISSING)} cannot be imported (extra batch)"))
