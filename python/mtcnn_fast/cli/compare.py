"""``mtcnn-fast compare``: this package's backends and other packages' detectors on the same images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mtcnn_fast.cli.exits import clean_exit
from mtcnn_fast.cli.settings import OPTIONS, naming_options, takes_some_settings
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.evaluation.comparison import FALSE_POSITIVES, Benchmark, compare, plot_comparison, table
from mtcnn_fast.evaluation.other_detectors import SYSTEMS
from mtcnn_fast.evaluation.systems import SystemOptions
from mtcnn_fast.optional import require

EXAMPLES = """[bold]Examples[/]

mtcnn-fast compare --widerface WIDER_val/images eval_tools/ground_truth --out comparison

mtcnn-fast compare --landmarks data data/net_7876.txt --system cpu --system facenet-pytorch --out comparison

mtcnn-fast compare --widerface WIDER_val/images eval_tools/ground_truth --every 4 --min-face-size 10 --out comparison
"""

Pair = tuple[Path, Path] | None


def _pair(text: str) -> Any:
    return typer.Option(metavar="DIR PATH", help=f"Images and annotation of {text}.", show_default=False)


@takes_some_settings("min_face_size", "thresholds", "factor")
def compare_systems(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where results go; continues there.", show_default=False)
    ],
    widerface: Annotated[Pair, _pair("WIDER FACE")] = None,
    fddb: Annotated[Pair, _pair("FDDB")] = None,
    landmarks: Annotated[Pair, _pair("a list of landmarks")] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only this one; repeat for more: {', '.join(SYSTEMS)}.", show_default=False),
    ] = None,
    yunet: Annotated[Path | None, typer.Option(metavar="FILE", help="Model of YuNet.", show_default=False)] = None,
    scrfd: Annotated[Path | None, typer.Option(metavar="FILE", help="Model of SCRFD.", show_default=False)] = None,
    cascadecnn: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Weights of CascadeCNN.", show_default=False)
    ] = None,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="Take one image in so many of each set.")] = 1,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many images of each set.", show_default=False)
    ] = None,
    false_positives: Annotated[
        int, typer.Option(metavar="N", min=0, help="False positives at which FDDB's discrete ROC is told.")
    ] = FALSE_POSITIVES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    settings: dict[str, Any],
) -> None:
    """Compare detectors on the same images, in the same order, in one run.

    A detector whose package or model is not there is named with what it needs. Images that are missing are left out,
    and the table says how many were scored. Settings that are given are those of every MTCNN; each other detector has
    its package's own. cpu-clip completes faces at the image's edge as facenet-pytorch does.
    """
    with clean_exit():
        unknown = [name for name in system or () if name not in SYSTEMS]
        if unknown:
            raise typer.BadParameter(f"must be one of {', '.join(SYSTEMS)}, got {unknown[0]!r}", param_hint="--system")
        if widerface is None and fddb is None and landmarks is None:
            raise typer.BadParameter("give at least one", param_hint="--widerface, --fddb or --landmarks")
        require("matplotlib.figure", "plotting")
        out.mkdir(parents=True, exist_ok=True)
        with naming_options():
            DetectorConfig(**settings)
        # Packages keep their own defaults, which differ from ours in places.
        given = {name: value for name, value in settings.items() if value != OPTIONS[name][1]}
        models = {"yunet": yunet, "scrfd": scrfd, "cascadecnn": cascadecnn}
        paths = {name: str(path) for name, path in models.items() if path is not None}
        options = SystemOptions(**paths, settings=given)
        benchmark = Benchmark(widerface, fddb, landmarks, every, limit, false_positives)
        rows, missing = compare(system or list(SYSTEMS), benchmark, options, out)
        report = {"systems": rows, "missing": missing}
        (out / "comparison.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (out / "comparison.md").write_text(table(rows, missing, false_positives), encoding="utf-8")
        if rows:
            plot_comparison(out / "comparison.png", rows, false_positives)
        typer.echo(json.dumps(report, indent=2) if as_json else table(rows, missing, false_positives))
