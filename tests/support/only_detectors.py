"""A plugin for pytest: deepface's own tests with the backends that the variable DETECTORS names."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if hasattr(item.module, "detectors"):
            item.module.detectors = os.environ["DETECTORS"].split(",")
