"""What ``mtcnn-fast evaluate`` runs: one function for each data set, which returns the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast.cli.evaluation_source import EvaluationSource, detector_system
from mtcnn_fast.cli.streams import print_error
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
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.weights import load_weights


def widerface(
    source: EvaluationSource, annotations: Path, event: Sequence[str], published: Path | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """Score on WIDER FACE; write the plot and, of a run, the detections."""
    everything = read_widerface_images(annotations)
    wanted = {image.key: image for image in select_events(everything, event)}
    run: dict[str, Any] = {}
    if source.detections is not None:
        found = stored.read_widerface_predictions(source.detections, [image.key for image in everything])
    else:
        files = {key: image.file(source.images or "") for key, image in wanted.items()}
        results, run = source.run(detector_system(settings), "WIDER FACE", source.files(files))
        found = {key: item.detections for key, item in results.items()}
    scored = source.keep_known(list(wanted), found) if source.detections is not None else list(found)
    result = score_widerface([wanted[key] for key in scored], found, of_images=len(everything))
    if source.out is not None:
        curves = None if published is None or _is_subset(result.is_subset) else read_published_curves(published)
        ours = {run.get("system", "detections"): result.curves}
        plots.plot_precision_recall(source.out / "precision_recall.png", ours, result.label, curves)
        if run:
            stored.write_widerface_predictions(source.out / "predictions", found)
    return {**result.to_dict(), **run}


def fddb(
    source: EvaluationSource,
    annotations: Path,
    sizes_from: Path | None,
    published: Path | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Score on FDDB; write both ROCs, the plot and, of a run, the detections."""
    everything = read_fddb_images(annotations)
    names = [image.name for image in everything]
    sizes = {} if sizes_from is None else sizes_from_boxes(stored.read_fddb_detections(sizes_from, names))
    run: dict[str, Any] = {}
    if source.detections is not None:
        found = stored.read_fddb_detections(source.detections, names)
        source.keep_known(names, found)
    else:
        files = {image.name: image.file(source.images or "") for image in everything}
        results, run = source.run(detector_system(settings), "FDDB", source.files(files))
        found = {name: item.detections for name, item in results.items()}
        sizes = {name: item.size for name, item in results.items()}
    scored = [image for image in everything if image.name in found]
    result = score_fddb(scored, found, sizes=sizes, of_images=len(everything))
    if source.out is not None:
        write_roc(source.out / "DiscROC.txt", result.discrete, scores=True)
        write_roc(source.out / "ContROC.txt", result.continuous, scores=False)
        curves = {run.get("system", "detections"): (result.discrete, result.continuous)}
        if published is not None and not _is_subset(result.is_subset):
            curves |= read_published_rocs(published)
        plots.plot_roc(source.out / "roc.png", curves, result.label)
        if run:
            stored.write_fddb_detections(source.out / "detections.txt", found)
    return {**result.to_dict(), **run}


def landmarks(source: EvaluationSource, annotations: Path, boxes: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Score landmarks; write the plot and, of a run, the landmarks."""
    faces = {face.path: face for face in read_landmarks(annotations)}
    run: dict[str, Any] = {}
    if source.detections is not None:
        points = alignment.read_landmark_predictions(source.detections, list(faces))
        source.keep_known(list(faces), points)
    else:
        given = {path: face.box for path, face in faces.items()} if boxes == "given" else None
        system = (
            detector_system(settings) if given is None else BoxAligner(load_weights(settings.get("weights")), given)
        )
        files = {path: (source.images or Path()) / slashes(path) for path in faces}
        results, run = source.run(system, f"landmarks in boxes {boxes}", source.files(files))
        points = {key: alignment.choose_face(item.detections, faces[key].box) for key, item in results.items()}
    result = alignment.score_landmarks([face for path, face in faces.items() if path in points], points)
    if source.out is not None:
        title = f"{result.faces:,} faces of {annotations.stem}, {result.missed:,} of them not found"
        plots.plot_cumulative_errors(source.out / "errors.png", {run.get("system", "detections"): result}, title)
        if run:
            alignment.write_landmark_predictions(source.out / "landmarks.txt", points)
    return {"label": f"{result.faces:,} of {len(faces):,} faces", **result.to_dict(), **run}


def _is_subset(answer: bool) -> bool:
    if answer:
        print_error("mtcnn-fast: published curves are of the whole set and are not drawn beside those of a subset")
    return answer
