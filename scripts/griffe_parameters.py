"""An extension of griffe for the reference on the site: parameters that share a description get a row each.

Griffe gives all names of ``color, value_range, layout`` the type and the default of the first.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(?:Other )?Parameters\n-{3,}\n", re.MULTILINE)
NEXT_SECTION = re.compile(r"^\S.*\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(?P<names>\w+(?:, \w+)+)(?P<kind> *:.*)?\n(?P<text>(?:(?:[ \t].*)?\n?)*)", re.MULTILINE)


def apart(docstring: str) -> str:
    """Return a docstring of numpydoc's form with an entry for each parameter."""
    begin = SECTION.search(docstring)
    if begin is None:
        return docstring
    end = NEXT_SECTION.search(docstring, begin.end())
    stop = end.start() if end else len(docstring)
    return docstring[: begin.end()] + ENTRY.sub(_entries, docstring[begin.end() : stop]) + docstring[stop:]


def _entries(found: re.Match[str]) -> str:
    text = found["text"].rstrip("\n") + "\n"
    blank = "\n" * (len(found["text"]) - len(found["text"].rstrip("\n")) - 1)
    return "".join(f"{name}{found['kind'] or ''}\n{text}" for name in found["names"].split(", ")) + blank


class Parameters(griffe.Extension):
    """Rewrites docstrings as they are read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = apart(obj.docstring.value)
