"""``mtcnn-fast ablate``: the paper's comparisons of ways to train and of networks, as CSV and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtcnn_fast.cli.exits import clean_exit
from mtcnn_fast.optional import require

if TYPE_CHECKING:
    from mtcnn_fast.training.ablations.ablation_options import AblationConfig

EXAMPLES = """[bold]Examples[/]

mtcnn-fast ablate {name} --config configs/ablations.toml --samples runs/small/samples --out runs/{name}
"""

_HOW_TO_GET = "pip install 'mtcnn-fast[train]'"

app = typer.Typer(
    name="ablate",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Repeat the comparisons of the papers: ways to train, and networks.",
)

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="Settings (TOML).", show_default=False)]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where results go; continues there.", show_default=False)
]
Samples = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Samples that mtcnn-fast train made; by default as the settings say."),
]
Fddb = Annotated[
    tuple[Path, Path] | None,
    typer.Option(metavar="DIR DIR", help="Images of FDDB and FDDB-folds: also compare as detectors."),
]


@app.command("ohem", epilog=EXAMPLES.format(name="ohem"))
def ohem(*, config: Config, out: Out, samples: Samples = None) -> None:
    """Train O-Net with and without online hard example mining; writes ohem.csv and ohem.png."""
    with _ablation(config, out, samples) as settings:
        from mtcnn_fast.training.ablations.ohem import ablate_ohem
        from mtcnn_fast.training.losses import DETECTION_KINDS

        ablate_ohem(settings.stage("o", DETECTION_KINDS), settings.budgets["ohem"]["o"], settings.seeds, out)


@app.command("alignment", epilog=EXAMPLES.format(name="alignment"))
def alignment(*, config: Config, out: Out, samples: Samples = None, fddb: Fddb = None) -> None:
    """Train O-Net with and without joint alignment; writes alignment.csv and alignment.png."""
    with _ablation(config, out, samples, fddb) as settings:
        from mtcnn_fast.training.ablations.alignment import ablate_alignment

        if settings.fddb is not None:
            require("scipy.optimize", "scoring FDDB")
        budget = settings.budgets["alignment"]["o"]
        ablate_alignment(settings.stage("o"), budget, settings.seeds, out, settings.fddb)


@app.command("networks", epilog=EXAMPLES.format(name="networks"))
def networks(*, config: Config, out: Out, samples: Samples = None) -> None:
    """Compare 12-, 24- and 48-Net with P-, R- and O-Net; writes networks.csv, networks.md and networks.png."""
    with _ablation(config, out, samples) as settings:
        from mtcnn_fast.training.ablations.cascade_table import PAIRS, ablate_networks
        from mtcnn_fast.training.losses import DETECTION_KINDS

        stages = {stage: settings.stage(stage, DETECTION_KINDS) for stage in PAIRS}
        ablate_networks(stages, settings.budgets["networks"], settings.seeds, out)
        typer.echo((out / "networks.md").read_text(encoding="utf-8"), nl=False)


@app.command("cascadecnn", epilog=EXAMPLES.format(name="cascadecnn"))
def cascadecnn(*, config: Config, out: Out, samples: Samples = None) -> None:
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
        typer.echo(as_markdown(["network", "loss", "accuracy"], rows), nl=False)


@contextmanager
def _ablation(
    config: Path, out: Path, samples: Path | None, fddb: tuple[Path, Path] | None = None
) -> Iterator[AblationConfig]:
    """Read the settings and make the folder; what is missing is said before anything is trained."""
    with clean_exit():
        require("torch", "training", _HOW_TO_GET)
        require("matplotlib.figure", "plotting", _HOW_TO_GET)
        from mtcnn_fast.training.ablations.ablation_options import load_ablations

        settings = load_ablations(config, samples=samples, fddb=fddb)
        out.mkdir(parents=True, exist_ok=True)
        yield settings
