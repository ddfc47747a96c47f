"""``mtcnn-fast ablate``: the paper's comparisons of ways to train and of networks, as CSV and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn_fast.cli.commands import Command, Group, option
from mtcnn_fast.cli.exit_codes import resumable
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.optional import require

if TYPE_CHECKING:
    from mtcnn_fast.training.ablations.ablation_options import AblationConfig

EXAMPLES = "mtcnn-fast ablate {name} --config configs/ablations.toml --samples runs/small/samples --out runs/{name}"

_HOW_TO_GET = "pip install 'mtcnn-fast[train]'"


@click.group(cls=Group, examples=EXAMPLES.format(name="ohem"))
def ablate() -> None:
    """Repeat the comparisons of the papers: ways to train, and networks."""


def _command(name: str) -> Callable[[Any], Any]:
    """Add a command with the options that all have."""

    def decorate(function: Any) -> Any:
        for add in (
            option("--samples", metavar="DIR", type=click.Path(path_type=Path), help=_SAMPLES),
            option("--out", "-o", metavar="DIR", type=click.Path(path_type=Path), required=True, help=_OUT),
            option("--config", metavar="FILE", type=click.Path(path_type=Path), required=True, help="Settings (TOML)."),
        ):
            function = add(function)
        return ablate.command(name, cls=Command, examples=EXAMPLES.format(name=name))(function)

    return decorate


_SAMPLES = "Samples that mtcnn-fast train made; by default as the settings say."
_OUT = "Where results go; an interrupted run continues there."


@_command("ohem")
def ohem(config: Path, out: Path, samples: Path | None) -> None:
    """Train O-Net with and without online hard example mining; writes ohem.csv and ohem.png."""
    with _ablation(config, out, samples) as settings:
        from mtcnn_fast.training.ablations.ohem import ablate_ohem
        from mtcnn_fast.training.losses import DETECTION_KINDS

        ablate_ohem(settings.stage("o", DETECTION_KINDS), settings.budgets["ohem"]["o"], settings.seeds, out)


@_command("alignment")
@option(
    "--fddb",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="DIR DIR",
    help="Images of FDDB and FDDB-folds: also compare as detectors.",
)
def alignment(config: Path, out: Path, samples: Path | None, fddb: tuple[Path, Path] | None) -> None:
    """Train O-Net with and without joint alignment; writes alignment.csv and alignment.png."""
    with _ablation(config, out, samples, fddb) as settings:
        from mtcnn_fast.training.ablations.alignment import ablate_alignment

        if settings.fddb is not None:
            require("scipy.optimize", "scoring FDDB")
        budget = settings.budgets["alignment"]["o"]
        ablate_alignment(settings.stage("o"), budget, settings.seeds, out, settings.fddb)


@_command("networks")
def networks(config: Path, out: Path, samples: Path | None) -> None:
    """Compare 12-, 24- and 48-Net with P-, R- and O-Net; writes networks.csv, networks.md and networks.png."""
    with _ablation(config, out, samples) as settings:
        from mtcnn_fast.training.ablations.cascade_table import PAIRS, ablate_networks
        from mtcnn_fast.training.losses import DETECTION_KINDS

        stages = {stage: settings.stage(stage, DETECTION_KINDS) for stage in PAIRS}
        ablate_networks(stages, settings.budgets["networks"], settings.seeds, out)
        print_line((out / "networks.md").read_text(encoding="utf-8").rstrip("\n"))


@_command("cascadecnn")
def cascadecnn(config: Path, out: Path, samples: Path | None) -> None:
    """Train the Cascade CNN's six networks, for mtcnn-fast compare; writes cascade_cnn.safetensors."""
    with _ablation(config, out, samples) as settings:
        from mtcnn_fast.evaluation.cascade_cnn.networks import SIZES
        from mtcnn_fast.evaluation.reports import as_markdown
        from mtcnn_fast.training.ablations.cascade_cnn import train_cascade
        from mtcnn_fast.training.ablations.cascade_table import PAIRS

        by_size = dict(zip(SIZES, PAIRS, strict=True))
        budgets = settings.budgets["cascadecnn"]
        figures = train_cascade(
            {size: settings.stage(stage) for size, stage in by_size.items()},
            {size: budgets[stage].replace(seed=settings.seeds[0]) for size, stage in by_size.items()},
            out,
        )
        rows = [[name, found["loss"], found["accuracy"]] for name, found in figures.items()]
        print_line(as_markdown(["network", "loss", "accuracy"], rows).rstrip("\n"))


@contextmanager
def _ablation(
    config: Path, out: Path, samples: Path | None, fddb: tuple[Path, Path] | None = None
) -> Iterator[AblationConfig]:
    """Read the settings and make the folder; what is missing is refused before anything is trained."""
    require("torch", "training", _HOW_TO_GET)
    require("matplotlib.figure", "plotting", _HOW_TO_GET)
    from mtcnn_fast.training.ablations.ablation_options import load_ablations

    settings = load_ablations(config, samples=samples, fddb=fddb)
    out.mkdir(parents=True, exist_ok=True)
    with resumable(f"the same command continues in {str(out)!r}"):
        yield settings
