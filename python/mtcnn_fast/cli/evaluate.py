"""``mtcnn-fast evaluate``: score a detector, or stored detections, by the protocol of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mtcnn_fast.cli.exits import clean_exit
from mtcnn_fast.cli.settings import takes_settings
from mtcnn_fast.cli.sources import Source, detector_system
from mtcnn_fast.datasets.fddb import read_fddb_images, read_published_rocs, sizes_from_boxes, write_roc
from mtcnn_fast.datasets.landmark_lists import read_landmarks
from mtcnn_fast.datasets.textfiles import slashes
from mtcnn_fast.datasets.widerface import read_widerface_images, select_events
from mtcnn_fast.evaluation import landmarks as alignment
from mtcnn_fast.evaluation import plots
from mtcnn_fast.evaluation import prediction_files as stored
from mtcnn_fast.evaluation.curves import read_published_curves
from mtcnn_fast.evaluation.fddb import score_fddb
from mtcnn_fast.evaluation.landmarks_in_boxes import BoxAligner
from mtcnn_fast.evaluation.reports import as_text
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.weights import load_weights

EXAMPLES = {
    "widerface": """[bold]Examples[/]

mtcnn-fast evaluate widerface --images WIDER_val/images --annotations eval_tools/ground_truth --out results

mtcnn-fast evaluate widerface --detections predictions --annotations wider_face_val_bbx_gt.txt --json
""",
    "fddb": """[bold]Examples[/]

mtcnn-fast evaluate fddb --images originalPics --annotations FDDB-folds --out results

mtcnn-fast evaluate fddb --detections folds --annotations FDDB-folds --out results
""",
    "landmarks": """[bold]Examples[/]

mtcnn-fast evaluate landmarks --images data --annotations data/net_7876.txt --out results

mtcnn-fast evaluate landmarks --images data --annotations data/AFLW_80.txt --boxes given --out results
""",
}

app = typer.Typer(help="Score a detector, or stored detections, by the protocol of a data set.", no_args_is_help=True)

Annotations = Annotated[Path, typer.Option(metavar="PATH", help="The annotation, as published.", show_default=False)]
Stored = Annotated[Path | None, typer.Option("--detections", metavar="PATH", help="Score these.", show_default=False)]
Images = Annotated[
    Path | None, typer.Option("--images", metavar="DIR", help="Detect in these and score that.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Where to write figures, plot and detections. A run that was interrupted continues there.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Partial = Annotated[
    bool, typer.Option("--allow-partial", help="Score only the images that there are, or have detections.")
]
Published = Annotated[
    Path | None,
    typer.Option("--published", metavar="DIR", help="Draw these published curves too.", show_default=False),
]


@app.command("widerface", epilog=EXAMPLES["widerface"])
@takes_settings
def widerface(
    *,
    annotations: Annotations,
    detections: Stored = None,
    images: Images = None,
    out: Out = None,
    event: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this event; repeat for more.")] = None,
    published: Published = None,
    allow_partial: Partial = False,
    as_json: Json = False,
    settings: dict[str, Any],
) -> None:
    """Average precision on WIDER FACE by the official protocol.

    Annotations are the folder ground_truth of the official tools (easy, medium, hard) or the text file (all faces).
    """
    with clean_exit():
        source = Source(detections, images, out, allow_partial)
        source.check()
        everything = read_widerface_images(annotations)
        wanted = {image.key: image for image in select_events(everything, event or ())}
        run: dict[str, Any] = {}
        if detections is not None:
            found = stored.read_widerface_predictions(detections, [image.key for image in everything])
        else:
            files = {key: image.file(images or "") for key, image in wanted.items()}
            results, run = source.run(detector_system(settings), "WIDER FACE", source.files(files))
            found = {key: item.detections for key, item in results.items()}
        scored = source.keep_known(list(wanted), found) if detections is not None else list(found)
        result = score_widerface([wanted[key] for key in scored], found, of_images=len(everything))
        if out is not None:
            curves = None if published is None or _is_subset(result.is_subset) else read_published_curves(published)
            ours = {run.get("system", "detections"): result.curves}
            plots.plot_precision_recall(out / "precision_recall.png", ours, result.label, curves)
            if run:
                stored.write_widerface_predictions(out / "predictions", found)
        _report({**result.to_dict(), **run}, out, as_json)


@app.command("fddb", epilog=EXAMPLES["fddb"])
@takes_settings
def fddb(
    *,
    annotations: Annotations,
    detections: Stored = None,
    images: Images = None,
    out: Out = None,
    sizes_from: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Guess the images' sizes from these detections, whose boxes end at the image's edge."
        ),
    ] = None,
    published: Published = None,
    allow_partial: Partial = False,
    as_json: Json = False,
    settings: dict[str, Any],
) -> None:
    """Discrete and continuous ROC on FDDB by the official evaluation.

    Annotations are the folder FDDB-folds. Writes DiscROC.txt and ContROC.txt as the official tool does.
    """
    with clean_exit():
        source = Source(detections, images, out, allow_partial)
        source.check()
        everything = read_fddb_images(annotations)
        names = [image.name for image in everything]
        sizes = {} if sizes_from is None else sizes_from_boxes(stored.read_fddb_detections(sizes_from, names))
        run: dict[str, Any] = {}
        if detections is not None:
            found = stored.read_fddb_detections(detections, names)
            source.keep_known(names, found)
        else:
            files = {image.name: image.file(images or "") for image in everything}
            results, run = source.run(detector_system(settings), "FDDB", source.files(files))
            found = {name: item.detections for name, item in results.items()}
            sizes = {name: item.size for name, item in results.items()}
        scored = [image for image in everything if image.name in found]
        result = score_fddb(scored, found, sizes=sizes, of_images=len(everything))
        if out is not None:
            write_roc(out / "DiscROC.txt", result.discrete, scores=True)
            write_roc(out / "ContROC.txt", result.continuous, scores=False)
            curves = {run.get("system", "detections"): (result.discrete, result.continuous)}
            if published is not None and not _is_subset(result.is_subset):
                curves |= read_published_rocs(published)
            plots.plot_roc(out / "roc.png", curves, result.label)
            if run:
                stored.write_fddb_detections(out / "detections.txt", found)
        _report({**result.to_dict(), **run}, out, as_json)


@app.command("landmarks", epilog=EXAMPLES["landmarks"])
@takes_settings
def landmarks(
    *,
    annotations: Annotations,
    detections: Stored = None,
    images: Images = None,
    out: Out = None,
    boxes: Annotated[
        str, typer.Option(metavar="detected|given", help="Take the detector's own boxes, or those of the annotation.")
    ] = "detected",
    allow_partial: Partial = False,
    as_json: Json = False,
    settings: dict[str, Any],
) -> None:
    """Errors of the five landmarks, relative to the distance of the eyes and to the size of the face.

    Annotations are rows: path, left right top bottom, five pairs x y; or path, five x, five y. Detections are rows:
    path, five pairs; or the path alone where no face was found.
    """
    with clean_exit():
        source = Source(detections, images, out, allow_partial)
        source.check()
        if boxes not in ("detected", "given"):
            raise typer.BadParameter(f"must be detected or given, got {boxes!r}", param_hint="--boxes")
        faces = {face.path: face for face in read_landmarks(annotations)}
        run: dict[str, Any] = {}
        if detections is not None:
            points = alignment.read_landmark_predictions(detections, list(faces))
            source.keep_known(list(faces), points)
        else:
            given = {path: face.box for path, face in faces.items()} if boxes == "given" else None
            system = (
                detector_system(settings) if given is None else BoxAligner(load_weights(settings["weights"]), given)
            )
            files = {path: (images or Path()) / slashes(path) for path in faces}
            results, run = source.run(system, f"landmarks in boxes {boxes}", source.files(files))
            points = {key: alignment.choose_face(item.detections, faces[key].box) for key, item in results.items()}
        result = alignment.score_landmarks([face for path, face in faces.items() if path in points], points)
        if out is not None:
            title = f"{result.faces:,} faces of {annotations.stem}, {result.missed:,} of them not found"
            plots.plot_cumulative_errors(out / "errors.png", {run.get("system", "detections"): result}, title)
            if run:
                alignment.write_landmark_predictions(out / "landmarks.txt", points)
        _report({"label": f"{result.faces:,} of {len(faces):,} faces", **result.to_dict(), **run}, out, as_json)


def _is_subset(answer: bool) -> bool:
    if answer:
        typer.echo(
            "mtcnn-fast: published curves are of the whole set, and not drawn beside those of a subset", err=True
        )
    return answer


def _report(figures: dict[str, Any], out: Path | None, as_json: bool) -> None:
    if out is not None:
        (out / "result.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    typer.echo(json.dumps(figures, indent=2) if as_json else as_text(figures))
