"""The picture of a run: how much faster, where the time goes, the networks against the peak, and scaling."""

from __future__ import annotations

from pathlib import Path

from contenders import FACENET, OURS
from report import number, peak_of, size

from mtcnn_fast.evaluation.plot_style import COLORS, DPI, OTHERS, head, legend, make_figure, name_figure
from mtcnn_fast.evaluation.plot_style import OURS as OUR_COLOR

ABOUT = "Times faster than facenet-pytorch, shares of the stages, rates of the networks, and time by size"


def draw(data: dict, path: Path) -> None:
    """Write a PNG; raises MissingExtraError without matplotlib (``pip install mtcnn-fast[bench]``)."""
    panels = [panel for panel in (speedups, shares, networks, pixels) if panel.section in data]
    figure, axes = make_figure(1, 9, 3.3 * len(panels), rows=len(panels))
    for panel, axis in zip(panels, axes, strict=True):
        panel(data, axis)
    name_figure(figure, f"{data['machine']['processor']}, {number(max(data['settings']['threads']), 'thread')}")
    figure.savefig(path, dpi=DPI)


def most_threads(data: dict, rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["threads"] == max(data["settings"]["threads"])]


def label(row: dict) -> str:
    return f"{size(row)}\n{number(row['faces'], 'face')}"


def speedups(data: dict, axis) -> None:
    rows = [row for row in most_threads(data, data["detect"]["runs"]) if FACENET in row["times"]]
    ratios = [row["times"][FACENET]["median"] / row["times"][OURS]["median"] for row in rows]
    bars = axis.bar([label(row) for row in rows], ratios, color=OUR_COLOR, width=0.7)
    axis.bar_label(bars, fmt="%.1fx", fontsize=8, fontweight="bold")
    axis.set_ylim(0, 1.15 * max(ratios))
    axis.grid(visible=False, axis="x")
    head(axis, f"times faster than {FACENET}")
    axis.tick_params(labelsize=7)


def shares(data: dict, axis) -> None:
    rows = most_threads(data, data["detect"]["stages"])
    bottom = [0.0] * len(rows)
    for stage, color in zip(rows[0]["shares"], (*COLORS, OTHERS, "#ced4da"), strict=False):
        heights = [100 * row["shares"][stage] for row in rows]
        bars = axis.bar([label(row) for row in rows], heights, 0.7, bottom=bottom, label=stage, color=color)
        axis.bar_label(
            bars, [f"{v:.0f}" if v >= 6 else "" for v in heights], label_type="center", fontsize=7, color="white"
        )
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    legend(axis, loc="center left", bbox_to_anchor=(1, 0.5))
    axis.grid(visible=False, axis="x")
    head(axis, "where the time goes, % of a detection")
    axis.tick_params(labelsize=7)


def networks(data: dict, axis) -> None:
    rows = most_threads(data, data["nets"]["runs"])
    names = list(dict.fromkeys([OURS, *(name for row in rows for name in row["times"])]))
    others = iter(("#495057", "#868e96", "#adb5bd", "#ced4da", "#dee2e6", "#e9ecef"))
    for k, name in enumerate(names):
        heights = [row["flops"] / row["times"][name]["median"] / 1e9 if name in row["times"] else 0 for row in rows]
        places = [i + 0.8 * k / len(names) for i in range(len(rows))]
        color = OUR_COLOR if name == OURS else next(others)
        bars = axis.bar(places, heights, 0.8 / len(names), label=name, color=color, align="edge")
        written = [f"{v:.0f}" if v else "" for v in heights]
        axis.bar_label(bars, written, fontsize=6, fontweight="bold" if name == OURS else "normal")
    peak = peak_of(data, max(data["settings"]["threads"]))
    if peak:
        axis.axhline(peak, color="#d55e00", linewidth=1, linestyle="--", label=f"peak, {data['isa']}: {peak:.0f}")
    axis.set_xticks([i + 0.4 for i in range(len(rows))], [row["work"].replace(", ", "\n") for row in rows], fontsize=7)
    axis.grid(visible=False, axis="x")
    legend(axis, loc="center left", bbox_to_anchor=(1, 0.5))
    head(axis, "the networks alone, GFLOP/s counted as direct convolution")


def pixels(data: dict, axis) -> None:
    for name, color in ((OURS, OUR_COLOR), (FACENET, "#868e96")):
        points = [
            (point["at"] / 1e6, 1e3 * point["median"])
            for point in data["scaling"]["pixels"]
            if point["contender"] == name
        ]
        if points:
            axis.loglog(*zip(*points, strict=True), marker="o", linestyle="-", label=name, color=color, linewidth=2)
            for x, y in points[::2]:
                axis.annotate(
                    f"{y:.0f}", (x, y), textcoords="offset points", xytext=(0, 7), fontsize=7, ha="center", color=color
                )
    axis.set_xlabel("megapixels")
    axis.set_ylabel("ms")
    legend(axis, loc="center left", bbox_to_anchor=(1, 0.5))
    head(axis, "a detection by size of the image")


speedups.section = shares.section = "detect"
networks.section = "nets"
pixels.section = "scaling"
