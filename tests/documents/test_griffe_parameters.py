"""Parameters that share a description in a docstring are told apart in the reference on the site."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest

from support.data import ROOT

DOCSTRING = """Find.

Parameters
----------
image : str
    A file.
color, layout
    What numbers mean.

    More.
a, b : int
    Both.

Returns
-------
x, y
    Two.
"""

APART = """Find.

Parameters
----------
image : str
    A file.
color
    What numbers mean.

    More.
layout
    What numbers mean.

    More.
a : int
    Both.
b : int
    Both.

Returns
-------
x, y
    Two.
"""


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Return the extension, which needs griffe's names alone."""
    monkeypatch.setitem(sys.modules, "griffe", types.SimpleNamespace(Extension=object, Object=object))
    spec = importlib.util.spec_from_file_location("griffe_parameters", ROOT / "scripts" / "griffe_parameters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_parameter_has_its_entry(extension: types.ModuleType) -> None:
    assert extension.apart(DOCSTRING) == APART


@pytest.mark.parametrize("text", ["One line.", "No section.\n\nReturns\n-------\na, b\n    Two.\n", APART])
def test_other_docstrings_stay(extension: types.ModuleType, text: str) -> None:
    assert extension.apart(text) == text
