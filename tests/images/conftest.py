"""Warnings of a test alone."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture
def own_warnings(recwarn: pytest.WarningsRecorder) -> pytest.WarningsRecorder:
    """What a test is warned of, without what Python says of the files that earlier tests left open."""
    gc.collect()
    recwarn.clear()
    return recwarn
