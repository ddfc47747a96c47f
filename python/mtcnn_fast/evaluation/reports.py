"""Figures set out as text for a terminal and as tables for documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def as_text(figures: Mapping[str, Any]) -> str:
    """Set nested figures out as indented lines, numbers with four digits; long lists and settings are left out."""
    return "\n".join(_lines(figures, ""))


def _lines(figures: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for name, value in figures.items():
        title = f"{indent}{str(name).replace('_', ' ')}"
        if name in ("settings", "events"):
            continue
        if isinstance(value, Mapping):
            lines += [title, *_lines(value, f"{indent}  ")]
        else:
            lines.append(f"{title:32}{as_cell(value)}")
    return lines


def as_cell(value: object) -> str:
    """Write a figure the way tables have it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 2 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table in Markdown; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *[[as_cell(value) for value in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
