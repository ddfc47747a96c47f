"""Writing small text files."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, *lines: str) -> Path:
    """Write lines to a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
