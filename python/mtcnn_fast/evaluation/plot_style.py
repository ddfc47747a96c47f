"""How every plot looks: colors, axes, bars with their values, this package's own rows highlighted."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast.files import written_whole
from mtcnn_fast.optional import HOW_TO_GET, require

DPI = 120

#: Inches of a panel, so that three of them beside one another can be read on a page.
PANEL = 3.7

#: This package, and everything that it is compared with.
OURS, OTHERS = "#00856f", "#a3abb5"

#: Lines of a plot in turn: apart for color-blind readers too (after Okabe and Ito), and each with a dash of its own.
COLORS = ("#00856f", "#d55e00", "#3b5bdb", "#b8860b", "#9c36b5", "#495057", "#0098c3", "#c2255c")
DASHES = ("-", "--", "-.", ":")

INK, PALE, GRID = "#1c2026", "#69707a", "#e3e6ea"


def make_figure(
    columns: int, width: float, height: float, how_to_get: str = HOW_TO_GET, *, rows: int = 1, share_y: bool = False
) -> tuple[Any, list[Any]]:
    """Make a figure that no window belongs to, and its axes, row by row, in the style of this package.

    Parameters
    ----------
    columns, rows : int
        Panels.
    width, height : float
        In inches.
    how_to_get : str
        The command that installs matplotlib, for the error.
    share_y : bool
        Whether the panels have one vertical axis.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed; it gives the command.
    """
    figure = require("matplotlib.figure", "plotting", how_to_get).Figure(
        figsize=(width, height), layout="constrained", facecolor="white"
    )
    axes = list(figure.subplots(rows, columns, sharey=share_y, squeeze=False).flat)
    for ax in axes:
        style_axes(ax)
    return figure, axes


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure, whole or not at all; the ending of `path` chooses the format, PNG where there is none."""
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, format=Path(path).suffix[1:] or "png")
    written_whole(path, file.getvalue())


def style_axes(ax: Any) -> None:
    """Give axes two spines, a pale grid behind the data, small ticks and the colors of lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(PALE)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=PALE, labelsize=8, labelcolor=INK)
    ax.xaxis.label.set(color=PALE, size=9)
    ax.yaxis.label.set(color=PALE, size=9)
    ax.set_prop_cycle(color=[COLORS[i % len(COLORS)] for i in range(24)], linestyle=[DASHES[i % 4] for i in range(24)])


def head(ax: Any, text: str) -> None:
    """Put a panel's title above its left end."""
    ax.set_title(text, loc="left", fontsize=10, color=INK, fontweight="bold")


def name_figure(figure: Any, text: str) -> None:
    """Put the figure's title, which says what was measured, above all panels."""
    figure.suptitle(text, fontsize=10, color=PALE, x=0.01, ha="left")


def legend(ax: Any, **place: Any) -> None:
    """Show the names of the lines on a plate that hides nothing of the data when it is placed beside it."""
    ax.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none", labelcolor=INK, **place)


def is_ours(name: str) -> bool:
    """Return whether a row belongs to this package."""
    return name.startswith("mtcnn-fast")


def bars(
    ax: Any, values: Mapping[str, float | None], written: Callable[[float], str], ours: Callable[[str], bool] = is_ours
) -> None:
    """Draw a bar for each name, top to bottom, with its value at the end; this package's in its color.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : mapping of str to float or None
        None is written as a dash.
    written : callable
        Formats a value.
    ours : callable
        Says of a name whether to highlight it.
    """
    names = list(values)
    lengths = [values[name] or 0.0 for name in names]
    drawn = ax.barh(range(len(names)), lengths, height=0.7, color=[OURS if ours(name) else OTHERS for name in names])
    labels = ["-" if value is None else written(value) for value in values.values()]
    for label, name in zip(ax.bar_label(drawn, labels=labels, padding=3, fontsize=8, color=INK), names, strict=True):
        label.set_fontweight("bold" if ours(name) else "normal")
    ax.set_yticks(range(len(names)), names)
    # The longest bar's value needs room beside it.
    ax.set_xlim(0, 1.28 * max([*lengths, 1e-9]))
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)


def label_points(ax: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names beside points, each above or below so that neighbours do not meet."""
    for order, (x, y, text) in enumerate(sorted(points)):
        below = order % 2 == 0
        ax.annotate(
            text,
            (x, y),
            textcoords="offset points",
            xytext=(7, -13) if below else (-7, 9),
            ha="left" if below else "right",
            fontsize=9,
            color=INK,
            fontweight="bold",
        )
