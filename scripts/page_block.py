"""The part of a page that a script writes: between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``."""

from __future__ import annotations

from pathlib import Path


def read_block(page: Path, name: str) -> str:
    """Return what a page has between the markers."""
    return _parts(page, name)[1]


def write_block(page: Path, name: str, text: str) -> None:
    """Put a text between the markers of a page."""
    begin, end = _markers(name)
    before, _, after = _parts(page, name)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- begin: {name} -->", f"<!-- end: {name} -->"


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    begin, end = _markers(name)
    before, rest = page.read_text().split(begin)
    block, after = rest.split(end)
    return before, block, after
