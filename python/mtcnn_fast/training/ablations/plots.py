"""Pictures of ablations, drawn with matplotlib."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from mtcnn_fast.evaluation.plot_style import PANEL, bars, head, legend, make_figure, name_figure, save_figure
from mtcnn_fast.training.ablations.curves import Curves

#: Networks of this package's cascade among the rows.
OUR_NETWORKS = frozenset({"P-Net", "R-Net", "O-Net"})

_HOW_TO_GET = "pip install 'mtcnn-fast[train]'"


def plot_curves(
    path: str | os.PathLike[str],
    panels: Mapping[str, Mapping[str, Curves]],
    title: str,
    *,
    x_label: str = "training step",
    logarithmic: bool = True,
) -> None:
    """Draw the mean of several seeds as a line, and as a band what lies between the least and the greatest.

    Parameters
    ----------
    path : path-like or str
        The picture, PNG or whatever its ending says.
    panels : mapping of str to mapping of str to Curves
        By the panel's title, for each variant its curves.
    title : str
    x_label : str
    logarithmic : bool
        Whether values have a logarithmic axis.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, axes = make_figure(len(panels), PANEL * len(panels), PANEL, _HOW_TO_GET)
    for (name, variants), ax in zip(panels.items(), axes, strict=True):
        for variant, curves in variants.items():
            # Curves that coincide show through one another, by their dashes.
            ax.plot(curves.steps, curves.values.mean(axis=0), label=variant, linewidth=2)
            ax.fill_between(curves.steps, curves.values.min(axis=0), curves.values.max(axis=0), alpha=0.2)
        head(ax, name)
        ax.set(xlabel=x_label, yscale="log" if logarithmic else "linear")
        ax.locator_params(axis="x", nbins=6)
        legend(ax)
    name_figure(figure, title)
    save_figure(figure, path)


def plot_bars(path: str | os.PathLike[str], panels: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> None:
    """Draw a bar of the mean for each row, a panel for each figure, and a dot for each seed.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, axes = make_figure(len(panels), PANEL * len(panels), 3, _HOW_TO_GET)
    for (name, rows), ax in zip(panels.items(), axes, strict=True):
        means = {row: float(np.mean(values)) for row, values in rows.items()}
        bars(ax, means, lambda mean: f"{mean:.3f}", OUR_NETWORKS.__contains__)
        for row, values in enumerate(rows.values()):
            if len(values) > 1:
                # Below the middle, where the mean is written.
                ax.plot(values, [row + 0.22] * len(values), "k.", markersize=4)
        head(ax, name)
        ax.invert_yaxis()
    name_figure(figure, title)
    save_figure(figure, path)
