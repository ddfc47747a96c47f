#!/usr/bin/env python3
"""Turn the logs of a training run into the tables and the picture of docs/training.md.

    python scripts/training_report.py runs/small --picture docs/images/training_small.png

prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast.evaluation.plot_style import DPI, head, legend, make_figure

NETWORKS = {"p": "P-Net", "r": "R-Net", "o": "O-Net"}
LOSSES = ("detection", "box", "landmark")


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a CSV file of numbers."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def networks_table(run: Path) -> list[str]:
    """Steps, samples, minutes, and held-out losses before and after, a network a row."""
    lines = [
        "| | steps (best) | negative, positive, part, landmark | minutes | detection | box | landmark | accuracy |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, title in NETWORKS.items():
        result = json.loads((run / name / "result.json").read_text())
        before, after = result["before"], result["validation"]
        counts = ", ".join(f"{count:,}" for count in result["samples"]["training"].values())
        seconds = result["seconds_making_samples"] + result["seconds_training"]
        losses = " | ".join(f"{before[key]:.3f} → {after[key]:.3f}" for key in (*LOSSES, "accuracy"))
        lines.append(
            f"| {title} | {result['steps']:,} ({result['best_step']:,}) | {counts} | {seconds / 60:.1f} | {losses} |"
        )
    return lines


def draw(run: Path, picture: Path) -> None:
    """Draw the held-out losses of each network, and their accuracy, over the steps."""
    figure, panels = make_figure(3, 14, 4)
    for (name, title), axes in zip(NETWORKS.items(), panels, strict=True):
        log = read_log(run / name / "validation.csv")
        later = log["step"] > 0
        for key in LOSSES:
            axes.plot(log["step"][later], log[key][later], label=key, linewidth=2)
        head(axes, title)
        axes.set(xlabel="training step", ylabel="held-out loss", yscale="log")
        right = axes.twinx()
        right.plot(log["step"][later], log["accuracy"][later], color="#adb5bd", linewidth=2)
        right.set(ylim=(0.8, 1.0), ylabel="accuracy")
        right.tick_params(labelsize=8)
        right.spines[["top", "left"]].set_visible(False)
        handles = [*axes.get_legend_handles_labels()[0], right.get_lines()[0]]
        legend(
            axes,
            handles=handles,
            labels=[*LOSSES, "accuracy (right)"],
            loc="upper center",
            ncols=4,
            bbox_to_anchor=(0.5, -0.14),
        )
    figure.savefig(picture, dpi=DPI)


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name the entries of nested mappings by their path."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key} ") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def recall_table(run: Path) -> list[str]:
    """Shares of the held-out faces that each stage keeps, for these weights and the shipped ones."""
    recall = {who: flattened(values) for who, values in json.loads((run / "recall.json").read_text()).items()}
    lines = [f"| | {' | '.join(recall)} |", "|---|" + "---:|" * len(recall)]
    for key in next(iter(recall.values())):
        cells = " | ".join(
            f"{values[key]:.3f}" if isinstance(values[key], float) else f"{values[key]}" for values in recall.values()
        )
        lines.append(f"| {key} | {cells} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="what `mtcnn-fast train --out` wrote")
    parser.add_argument("--picture", type=Path, help="draw the curves into this file")
    arguments = parser.parse_args()
    print("\n".join([*networks_table(arguments.run), "", *recall_table(arguments.run)]))
    if arguments.picture:
        draw(arguments.run, arguments.picture)


if __name__ == "__main__":
    main()
