"""``mtcnn-fast compare``: this package's backends and other packages' detectors on the same images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mtcnn_fast.checks import Count
from mtcnn_fast.cli.commands import Command, Decorator, option
from mtcnn_fast.cli.exit_codes import FAILED, resumable
from mtcnn_fast.cli.settings import bad_option, checked, detector_options, naming_options
from mtcnn_fast.cli.streams import print_error, print_line
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.files import write_json, write_text

EXAMPLES = """
mtcnn-fast compare --widerface WIDER_val/images eval_tools/ground_truth --out comparison
mtcnn-fast compare --landmarks data data/net_7876.txt --system cpu --system facenet-pytorch --out comparison
mtcnn-fast compare --widerface WIDER_val/images eval_tools/ground_truth --every 4 --min-face-size 10 --out comparison
"""

Pair = tuple[Path, Path] | None


def _pair(name: str, text: str) -> Decorator:
    return option(
        name,
        nargs=2,
        type=click.Path(path_type=Path),
        metavar="DIR PATH",
        help=f"Images and annotation of {text}.",
    )


def _model(name: str, text: str, metavar: str = "FILE") -> Decorator:
    return option(name, type=click.Path(), metavar=metavar, help=text)


@click.command("compare", cls=Command, examples=EXAMPLES)
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Where results go; an interrupted comparison continues there.",
)
@_pair("--widerface", "WIDER FACE")
@_pair("--fddb", "FDDB")
@_pair("--landmarks", "a list of landmarks")
@option("--system", multiple=True, metavar="NAME", help="Only this one; repeat for more. A wrong name lists all.")
@_model("--yunet", "Model of YuNet.")
@_model("--scrfd", "Model of SCRFD.")
@_model("--cascadecnn", "Weights of CascadeCNN.", "PATH")
@option("--every", type=int, metavar="N", default=1, callback=checked(Count()), help="Use every Nth image of each set.")
@option("--limit", type=int, metavar="N", callback=checked(Count()), help="At most N images of each set.")
@option(
    "--false-positives",
    type=int,
    metavar="N",
    default=100,
    callback=checked(Count(0)),
    help="False positives at which the table gives FDDB's discrete ROC. [default 100]",
)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@detector_options("min_face_size", "thresholds", "factor")
def compare_systems(
    out: Path,
    widerface: Pair,
    fddb: Pair,
    landmarks: Pair,
    system: tuple[str, ...],
    yunet: str | None,
    scrfd: str | None,
    cascadecnn: str | None,
    every: int,
    limit: int | None,
    false_positives: int,
    as_json: bool,
    settings: dict[str, Any],
) -> int:
    """Compare detectors on the same images, in the same order, in one run.

    A detector whose package or model is missing is named with what it needs. One that fails is named with its error;
    the exit code is 1 then. Images that are missing are left out, and the table says how many were scored.

    Settings that are given apply to every MTCNN; each other detector has its package's own. cpu-clip completes faces at
    the image's edge as facenet-pytorch does.
    """
    from mtcnn_fast.evaluation.comparison import Benchmark, Failure, compare, plot_comparison, table
    from mtcnn_fast.evaluation.other_detectors import SYSTEMS
    from mtcnn_fast.evaluation.systems import SystemOptions
    from mtcnn_fast.optional import require

    unknown = [name for name in system if name not in SYSTEMS]
    if unknown:
        raise bad_option(f"must be one of {', '.join(SYSTEMS)}, got {unknown[0]!r}", "--system")
    if widerface is None and fddb is None and landmarks is None:
        raise click.UsageError("give at least one of --widerface, --fddb and --landmarks", click.get_current_context())
    require("matplotlib.figure", "plotting")
    out.mkdir(parents=True, exist_ok=True)
    with naming_options():
        DetectorConfig(**settings)
    models = {"yunet": yunet, "scrfd": scrfd, "cascadecnn": cascadecnn}
    paths = {name: path for name, path in models.items() if path is not None}
    # Settings that are not given are left to each package: their defaults differ from ours in places.
    options = SystemOptions(**paths, settings=settings)
    benchmark = Benchmark(widerface, fddb, landmarks, every, limit, false_positives)
    with resumable(f"the same command continues the comparison in {str(out)!r}"):
        rows, missing = compare(system or list(SYSTEMS), benchmark, options, out)
    report = {"systems": rows, "missing": missing}
    text = table(rows, missing, false_positives)
    write_json(out / "comparison.json", report)
    write_text(out / "comparison.md", text)
    if rows:
        plot_comparison(out / "comparison.png", rows, false_positives)
    print_line(json.dumps(report, indent=2) if as_json else text)
    failed = {name: reason for name, reason in missing.items() if isinstance(reason, Failure)}
    for name, reason in failed.items():
        print_error(f"mtcnn-fast: {name} {reason}")
    return FAILED if failed else 0
