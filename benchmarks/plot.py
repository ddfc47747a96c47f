"""The picture of a run: how much faster, where the time goes, the networks against the peak, and scaling."""

from __future__ import annotations

from pathlib import Path

from contenders import FACENET, OURS
from report import number, peak_of, size

ABOUT = "Times faster than facenet-pytorch, shares of the stages, rates of the networks, and time by size"


def draw(data: dict, path: Path) -> None:
    """Write a PNG; raises ImportError without matplotlib (``pip install mtcnn-fast[bench]``)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [panel for panel in (speedups, shares, networks, pixels) if panel.section in data]
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(8, 3.2 * len(panels)), squeeze=False)
    for panel, axis in zip(panels, axes[:, 0], strict=True):
        panel(data, axis)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"{data['machine']['processor']}, {number(max(data['settings']['threads']), 'thread')}", fontsize=10
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def most_threads(data: dict, rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["threads"] == max(data["settings"]["threads"])]


def label(row: dict) -> str:
    return f"{size(row)}\n{number(row['faces'], 'face')}"


def speedups(data: dict, axis) -> None:
    rows = [row for row in most_threads(data, data["detect"]["runs"]) if FACENET in row["times"]]
    ratios = [row["times"][FACENET]["median"] / row["times"][OURS]["median"] for row in rows]
    bars = axis.bar([label(row) for row in rows], ratios, color="tab:blue")
    axis.bar_label(bars, fmt="%.1fx", fontsize=8)
    axis.set_title(f"times faster than {FACENET}", fontsize=9)
    axis.tick_params(labelsize=7)


def shares(data: dict, axis) -> None:
    rows = most_threads(data, data["detect"]["stages"])
    bottom = [0.0] * len(rows)
    for stage in rows[0]["shares"]:
        heights = [100 * row["shares"][stage] for row in rows]
        axis.bar([label(row) for row in rows], heights, bottom=bottom, label=stage)
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    axis.legend(fontsize=6, ncols=1, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axis.set_title("where the time goes, % of a detection", fontsize=9)
    axis.tick_params(labelsize=7)


def networks(data: dict, axis) -> None:
    rows = most_threads(data, data["nets"]["runs"])
    names = list(dict.fromkeys([OURS, *(name for row in rows for name in row["times"])]))
    for k, name in enumerate(names):
        heights = [row["flops"] / row["times"][name]["median"] / 1e9 if name in row["times"] else 0 for row in rows]
        axis.bar([i + 0.8 * k / len(names) for i in range(len(rows))], heights, 0.8 / len(names), label=name)
    peak = peak_of(data, max(data["settings"]["threads"]))
    if peak:
        axis.axhline(peak, color="black", linewidth=0.8, linestyle="--", label=f"peak, {data['isa']}")
    axis.set_xticks([i + 0.4 for i in range(len(rows))], [row["work"].replace(", ", "\n") for row in rows], fontsize=7)
    axis.legend(fontsize=7, frameon=False)
    axis.set_title("the networks alone, GFLOP/s counted as direct convolution", fontsize=9)


def pixels(data: dict, axis) -> None:
    for name in (OURS, FACENET):
        points = [
            (point["at"] / 1e6, 1e3 * point["median"])
            for point in data["scaling"]["pixels"]
            if point["contender"] == name
        ]
        if points:
            axis.loglog(*zip(*points, strict=True), marker="o", label=name)
    axis.set_xlabel("megapixels", fontsize=8)
    axis.set_ylabel("ms", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    axis.set_title("a detection by size of the image", fontsize=9)


speedups.section = shares.section = "detect"
networks.section = "nets"
pixels.section = "scaling"
