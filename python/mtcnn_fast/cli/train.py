"""``mtcnn-fast train``: the cascade from data sets to weights."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import click

from mtcnn_fast._paths import exists
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import resumable
from mtcnn_fast.cli.settings import choice
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.optional import require

EXAMPLES = """
mtcnn-fast train --config configs/smoke.toml --out runs/smoke
mtcnn-fast train --config configs/small.toml --out runs/small --stage p
torchrun --standalone --nproc-per-node 2 -m mtcnn_fast train --config configs/small.toml --out runs/small
"""

STAGES = ("p", "r", "o", "all")


@click.command(cls=Command, examples=EXAMPLES)
@option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="What to train on, and how: a TOML file.",
)
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder for samples, logs and weights; an interrupted run continues there.",
)
@choice("--stage", options=STAGES, default="all", help="Which network. [default all]")
@option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that paths of data are relative to, if not as in FILE.",
)
@option("--init", metavar="random|shipped|NAME|PATH", help="Weights to begin with, if not as in FILE.")
@option("--device", metavar="cpu|cuda", help="Where to train, if not as in FILE.")
@option("--quiet", is_flag=True, help="Show no progress.")
@option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def train(
    config: Path,
    out: Path,
    stage: str,
    data: Path | None,
    init: str | None,
    device: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train P-, R- and O-Net, one after the other, on what those before propose.

    DIR/weights is what detect takes as --weights. It needs torch: pip install 'mtcnn-fast[train]'
    """
    require("torch", "training", "pip install 'mtcnn-fast[train]'")
    from mtcnn_fast.training.config import load_config
    from mtcnn_fast.training.trainer import train as run

    settings = load_config(config, data=data)
    if init is not None:
        settings = dataclasses.replace(settings, init=init)
    if device is not None:
        settings = settings.with_device(device)
    with resumable(f"the same command continues the run in {str(out)!r}"):
        results = run(settings, out, stage, shown=not quiet)
    # Under torchrun one process speaks for all.
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        print_line(json.dumps(results, indent=2))
    else:
        for name, result in results.items():
            print_line(_line(name, result))
        print_line(f"weights: {out / 'weights'}")
        for line in told_of(out / "comparison.json"):
            print_line(line)


def told_of(path: Path) -> list[str]:
    """Return what there is to say of the weights beside the shipped ones."""
    if not exists(path):
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    lines = [report["label"]]
    for name in ("trained", "shipped"):
        figures = report[name]
        usual, whole = (_joined(figures[key]) for key in ("average_precision", "whole_curve"))
        lines.append(
            f"{name}: average precision {usual}, {figures['false_positives']} false positives; "
            f"{whole} with 0.01 as O-Net's threshold"
        )
    return lines


def _joined(figures: dict[str, float]) -> str:
    return " / ".join(f"{value:.3f}" for value in figures.values())


def _line(name: str, result: dict[str, object]) -> str:
    figures = result["validation"]
    assert isinstance(figures, dict)
    texts = ", ".join(f"{key} {value:.4f}" for key, value in figures.items() if key != "step")
    return (
        f"{name.upper()}-Net: {result['steps']} steps in {result['seconds_training']} s, samples made in "
        f"{result['seconds_making_samples']} s{'; validation: ' + texts if texts else ''}"
    )
