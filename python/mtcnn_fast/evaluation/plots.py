"""Plots of the metrics, drawn with matplotlib."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtcnn_fast.datasets.fddb import Roc
from mtcnn_fast.evaluation.curves import Curve
from mtcnn_fast.evaluation.landmarks import CURVE, FAILURE, LandmarkResult
from mtcnn_fast.evaluation.plot_style import (
    OTHERS,
    OURS,
    PANEL,
    head,
    label_points,
    legend,
    make_figure,
    name_figure,
    save_figure,
)


def plot_precision_recall(
    path: str | os.PathLike[str],
    curves: Mapping[str, Mapping[str, Curve]],
    title: str,
    published: Mapping[str, Mapping[str, Curve]] | None = None,
) -> None:
    """Draw precision over recall, a panel for each sub-set of faces.

    Parameters
    ----------
    path : path-like or str
        The picture; its ending chooses the format, such as ``.png``.
    curves : mapping of str to mapping of str to Curve
        For each detector, its curves by sub-set.
    title : str
        Says which images and faces were scored.
    published : mapping or None
        Further curves, drawn thin; only for the whole set, which they belong to.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    subsets = list(next(iter(curves.values())))
    figure, axes = make_figure(len(subsets), PANEL * len(subsets), PANEL)
    for subset, ax in zip(subsets, axes, strict=True):
        for group, style in ((published or {}, {"linewidth": 1}), (curves, {"linewidth": 2})):
            for name, by_subset in group.items():
                if subset in by_subset:
                    curve = by_subset[subset]
                    ax.plot(curve.recall, curve.precision, label=f"{name} {curve.area:.3f}", **style)
        head(ax, f"{subset} faces")
        ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        legend(ax, loc="lower left", title="average precision", title_fontsize=8)
    name_figure(figure, title)
    save_figure(figure, path)


def plot_roc(
    path: str | os.PathLike[str], curves: Mapping[str, tuple[Roc, Roc]], title: str, most: float | None = None
) -> None:
    """Draw FDDB's discrete and continuous ROC of detectors.

    Parameters
    ----------
    path : path-like or str
    curves : mapping of str to (Roc, Roc)
        Discrete and continuous curve of each detector; the first is drawn wide, so that it shows where another one
        covers it.
    title : str
        Says which images and faces were scored.
    most : float or None
        False positives that the axis ends at; by default all.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, axes = make_figure(2, 2 * PANEL, PANEL)
    for i, (kind, ax) in enumerate(zip(("discrete", "continuous"), axes, strict=True)):
        for order, (name, pair) in enumerate(curves.items()):
            style = {"linewidth": 1.2} if order else {"linewidth": 4, "alpha": 0.4}
            ax.plot(pair[i].false_positives, pair[i].true_positive_rate, label=name, **style)
        head(ax, f"{kind} score")
        ax.set(xlabel="false positives", ylabel="true-positive rate", ylim=(0, 1))
        ax.set_xlim(0, most)
        legend(ax, loc="lower right")
    name_figure(figure, title)
    save_figure(figure, path)


def plot_cumulative_errors(path: str | os.PathLike[str], results: Mapping[str, LandmarkResult], title: str) -> None:
    """Draw the part of faces with at most an error, a panel for each way of measuring it.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    measures = list(next(iter(results.values())).errors)
    figure, axes = make_figure(len(measures), PANEL * len(measures), PANEL)
    for measure, ax in zip(measures, axes, strict=True):
        for name, result in results.items():
            ax.plot(CURVE, result.cumulative(measure), label=name, linewidth=2)
        ax.axvline(FAILURE, color="gray", linewidth=1, linestyle=":")
        head(ax, f"divided by {measure}")
        ax.set(xlabel="mean error of five points", ylabel="part of all faces")
        ax.set(xlim=(0, CURVE[-1]), ylim=(0, 1))
        legend(ax, loc="lower right")
    name_figure(figure, title)
    save_figure(figure, path)


def plot_frontier(path: str | os.PathLike[str], points: Sequence[Mapping[str, Any]], subset: str, title: str) -> None:
    """Draw average precision over time an image, with the settings that nothing beats joined by a line.

    Parameters
    ----------
    path : path-like or str
    points : sequence of mapping
        Each with ``label``, ``milliseconds``, ``average_precision`` (by sub-set) and ``named`` (whether to label it).
    subset : str
        Sub-set of faces to draw.
    title : str

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, (ax,) = make_figure(1, 8, 5)
    times = np.array([point["milliseconds"] for point in points])
    values = np.array([point["average_precision"][subset] for point in points])
    best = frontier(times.tolist(), values.tolist())
    ax.scatter(times, values, s=16, color=OTHERS)
    ax.plot(times[best], values[best], color=OURS, linestyle="-", marker="o", markersize=4)
    named = [i for i, point in enumerate(points) if point["named"]]
    ax.scatter(times[named], values[named], s=46, color="#d55e00", zorder=3)
    label_points(ax, [(times[i], values[i], points[i]["label"]) for i in named])
    ax.set(xlabel="milliseconds of one thread, an image", ylabel=f"average precision, {subset} faces", xscale="log")
    ax.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    name_figure(figure, title)
    save_figure(figure, path)


def frontier(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Return the indices of the points that no other is cheaper and at least as good as, by rising cost."""
    best: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -values[i])):
        if not best or values[i] > values[best[-1]]:
            best.append(i)
    return best
