"""``mtcnn-fast evaluate``: score a detector, or stored detections, by the protocol of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn_fast.cli.commands import Command, Decorator, Group, option
from mtcnn_fast.cli.settings import choice, detector_options
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.files import write_json

if TYPE_CHECKING:
    from mtcnn_fast.cli.evaluation_source import EvaluationSource

EXAMPLES = {
    "widerface": """
mtcnn-fast evaluate widerface --images WIDER_val/images --annotations eval_tools/ground_truth --out results
mtcnn-fast evaluate widerface --detections predictions --annotations wider_face_val_bbx_gt.txt --json
""",
    "fddb": """
mtcnn-fast evaluate fddb --images originalPics --annotations FDDB-folds --out results
mtcnn-fast evaluate fddb --detections folds --annotations FDDB-folds --out results
""",
    "landmarks": """
mtcnn-fast evaluate landmarks --images data --annotations data/net_7876.txt --out results
mtcnn-fast evaluate landmarks --images data --annotations data/AFLW_80.txt --boxes given --out results
""",
}


def _path_option(*names: str, **attributes: Any) -> Decorator:
    return option(*names, type=click.Path(path_type=Path), **attributes)


_ANNOTATIONS = _path_option("--annotations", metavar="PATH", required=True, help="The annotation, as published.")
_DETECTIONS = _path_option("--detections", metavar="PATH", help="Score these stored detections.")
_IMAGES = _path_option("--images", metavar="DIR", help="Detect in these images and score the result.")
_OUT = _path_option(
    "--out",
    "-o",
    metavar="DIR",
    help="Where to write figures, plot and detections. An interrupted run continues there.",
)
_PUBLISHED = _path_option("--published", metavar="DIR", help="Draw these published curves too.")
_PARTIAL = option("--allow-partial", is_flag=True, help="Leave out images that are missing or have no detections.")
_JSON = option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")


@click.group(cls=Group, examples=EXAMPLES["widerface"])
def evaluate() -> None:
    """Score a detector, or stored detections, by the protocol of a data set."""


@evaluate.command("widerface", cls=Command, examples=EXAMPLES["widerface"])
@_ANNOTATIONS
@_DETECTIONS
@_IMAGES
@_OUT
@option("--event", multiple=True, metavar="NAME", help="Only this event; repeat for more.")
@_PUBLISHED
@_PARTIAL
@_JSON
@detector_options()
def widerface(
    annotations: Path,
    detections: Path | None,
    images: Path | None,
    out: Path | None,
    event: tuple[str, ...],
    published: Path | None,
    allow_partial: bool,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    """Average precision on WIDER FACE by the official protocol.

    Annotations are the folder ground_truth of the official tools (easy, medium, hard) or the text file (all faces).
    """
    from mtcnn_fast.cli import evaluations

    source = _source(detections, images, out, allow_partial)
    _report(evaluations.widerface(source, annotations, event, published, settings), out, as_json)


@evaluate.command("fddb", cls=Command, examples=EXAMPLES["fddb"])
@_ANNOTATIONS
@_DETECTIONS
@_IMAGES
@_OUT
@_path_option(
    "--sizes-from",
    metavar="PATH",
    help="Guess the images' sizes from these detections, whose boxes end at the image's edge.",
)
@_PUBLISHED
@_PARTIAL
@_JSON
@detector_options()
def fddb(
    annotations: Path,
    detections: Path | None,
    images: Path | None,
    out: Path | None,
    sizes_from: Path | None,
    published: Path | None,
    allow_partial: bool,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    """Discrete and continuous ROC on FDDB by the official evaluation.

    Annotations are the folder FDDB-folds. Writes DiscROC.txt and ContROC.txt as the official tool does.
    """
    from mtcnn_fast.cli import evaluations

    source = _source(detections, images, out, allow_partial)
    _report(evaluations.fddb(source, annotations, sizes_from, published, settings), out, as_json)


@evaluate.command("landmarks", cls=Command, examples=EXAMPLES["landmarks"])
@_ANNOTATIONS
@_DETECTIONS
@_IMAGES
@_OUT
@choice(
    "--boxes",
    options=("detected", "given"),
    default="detected",
    help="Take the detector's own boxes, or those of the annotation. [default detected]",
)
@_PARTIAL
@_JSON
@detector_options()
def landmarks(
    annotations: Path,
    detections: Path | None,
    images: Path | None,
    out: Path | None,
    boxes: str,
    allow_partial: bool,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    """Errors of the five landmarks, relative to the distance of the eyes and to the size of the face.

    Annotations are rows: path, left right top bottom, five pairs x y; or path, five x, five y. Detections are rows:
    path, five pairs; or the path alone where no face was found.
    """
    from mtcnn_fast.cli import evaluations

    source = _source(detections, images, out, allow_partial)
    _report(evaluations.landmarks(source, annotations, boxes, settings), out, as_json)


def _source(detections: Path | None, images: Path | None, out: Path | None, allow_partial: bool) -> EvaluationSource:
    from mtcnn_fast.cli.evaluation_source import EvaluationSource

    source = EvaluationSource(detections, images, out, allow_partial)
    source.check()
    return source


def _report(figures: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from mtcnn_fast.evaluation.reports import as_text

    if out is not None:
        write_json(out / "result.json", figures)
    print_line(json.dumps(figures, indent=2) if as_json else as_text(figures))
