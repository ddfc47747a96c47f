"""``mtcnn-fast train``: the cascade from data sets to weights."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from mtcnn_fast.cli.exits import clean_exit
from mtcnn_fast.optional import require

EXAMPLES = """[bold]Examples[/]

mtcnn-fast train --config configs/smoke.toml --out runs/smoke

mtcnn-fast train --config configs/small.toml --out runs/small --stage p

torchrun --standalone --nproc-per-node 2 -m mtcnn_fast train --config configs/small.toml --out runs/small
"""

STAGES = ("p", "r", "o", "all")


def train(
    *,
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="What to train on, and how: a TOML file.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where everything goes; an interrupted run goes on.", show_default=False),
    ],
    stage: Annotated[str, typer.Option(metavar="p|r|o|all", help="Which network.")] = "all",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What paths of data are relative to, if not as in FILE.", show_default=False),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="random|shipped|PATH", help="Weights to begin with, if not as in FILE.", show_default=False
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda", help="Where to train, if not as in FILE.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")] = False,
) -> None:
    """Train P-, R- and O-Net, one after the other, each on what those before it propose.

    DIR/weights is what detect takes as --weights. It needs torch: pip install 'mtcnn-fast[train]'.
    """
    with clean_exit():
        if stage not in STAGES:
            raise typer.BadParameter(f"must be one of {', '.join(STAGES)}, got {stage!r}", param_hint="--stage")
        require("torch", "training", "pip install 'mtcnn-fast[train]'")
        from mtcnn_fast.training.config import load_config
        from mtcnn_fast.training.trainer import train as run

        settings = load_config(config, data=data)
        if init is not None:
            settings = dataclasses.replace(settings, init=init)
        if device is not None:
            settings = settings.with_device(device)
        results = run(settings, out, stage, shown=not quiet)
        # Under torchrun one process speaks for all.
        if os.environ.get("RANK", "0") != "0":
            return
        if as_json:
            typer.echo(json.dumps(results, indent=2))
        else:
            for name, result in results.items():
                typer.echo(_line(name, result))
            typer.echo(f"weights: {out / 'weights'}")
            for line in _comparison(out / "comparison.json"):
                typer.echo(line)


def _comparison(path: Path) -> list[str]:
    """Return what there is to say of the weights beside the shipped ones."""
    if not path.exists():
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
    told = ", ".join(f"{key} {value:.4f}" for key, value in figures.items() if key != "step")
    return (
        f"{name.upper()}-Net: {result['steps']} steps in {result['seconds_training']} s, samples made in "
        f"{result['seconds_making_samples']} s{'; validation: ' + told if told else ''}"
    )
