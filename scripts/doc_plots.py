#!/usr/bin/env python3
"""Draw the plots of docs/evaluation.md and docs/ablations.md.

    python scripts/doc_plots.py tables                # from benchmarks/results, which the pages' tables come from
    python scripts/doc_plots.py curves --data DATA    # detects in WIDER FACE and in the faces with landmarks: minutes

DATA has ``wider/`` and ``landmarks/`` of the test data. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtcnn_fast import Detector
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.landmark_lists import read_landmarks
from mtcnn_fast.datasets.textfiles import slashes
from mtcnn_fast.datasets.widerface import read_widerface_images
from mtcnn_fast.evaluation.comparison import plot_comparison
from mtcnn_fast.evaluation.landmarks import LandmarkResult, choose_face, score_landmarks
from mtcnn_fast.evaluation.landmarks_in_boxes import BoxAligner
from mtcnn_fast.evaluation.plots import plot_cumulative_errors, plot_frontier, plot_precision_recall
from mtcnn_fast.evaluation.systems import from_faces
from mtcnn_fast.evaluation.widerface import WiderResult, score_widerface
from mtcnn_fast.images import load_image
from mtcnn_fast.training.ablations.curves import gather
from mtcnn_fast.training.ablations.plots import plot_bars, plot_curves
from mtcnn_fast.weights import load_weights

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PICTURES = ROOT / "docs" / "images"

AUTHORS = {"min_face_size": 10, "factor": 0.79, "thresholds": (0.5, 0.5, 0.3)}

#: Pictures of the long ablations: the variants, the figure's title, and for each panel its title and its column.
ABLATIONS = {
    "mining": (
        ("with mining", "without mining", "bootstrapping"),
        "O-Net, classification alone: held-out windows",
        {"loss": "detection", "share of right classifications": "accuracy"},
    ),
    "alignment": (
        ("JA", "No JA"),
        "O-Net with and without joint alignment: loss on held-out windows",
        {"boxes": "box", "classification": "detection"},
    ),
}

#: The settings whose curves stand beside one another.
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "default, border clip": {"border": "clip"},
    "authors' settings": AUTHORS,
    "authors' settings, border clip": {**AUTHORS, "border": "clip"},
}


def draw_tables(pictures: Path) -> None:
    """Draw detectors, the frontier of speed and accuracy, and the networks of the Cascade CNN beside MTCNN's."""
    rows = json.loads((RESULTS / "comparison.json").read_text(encoding="utf-8"))
    plot_comparison(pictures / "evaluation" / "comparison.png", rows)
    state = json.loads((RESULTS / "frontier.json").read_text(encoding="utf-8"))
    points = [{**point, "named": bool(point["label"])} for point in state["points"]]
    plot_frontier(pictures / "evaluation" / "frontier-hard.png", points, "hard", state["label"])
    networks = json.loads((RESULTS / "cascadecnn.json").read_text(encoding="utf-8"))
    plot_bars(pictures / "ablation_networks.png", networks["panels"], networks["label"])
    draw_ablations(pictures)


def draw_ablations(pictures: Path) -> None:
    """Draw how the long ablations went, from the first look after the beginning on."""
    with (RESULTS / "ablations" / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = [{**row, "step": int(row["step"])} for row in csv.DictReader(file) if row["step"] != "0"]
    seeds = len({row["seed"] for row in rows})
    for name, (variants, title, columns) in ABLATIONS.items():
        chosen = [row for row in rows if row["variant"] in variants]
        panels = {panel: gather(chosen, column) for panel, column in columns.items()}
        title = f"{title}, mean and range of {seeds} seeds"
        plot_curves(pictures / f"ablation_{name}.png", panels, title, logarithmic=False)


def widerface(data: Path, settings: dict[str, Any]) -> WiderResult:
    """Detect in those images of WIDER FACE's validation set that are there, and score the faces."""
    annotated = read_widerface_images(data / "wider" / "eval_tools" / "ground_truth")
    files = {image.key: image.file(data / "wider" / "WIDER_val" / "images") for image in annotated}
    found = {}
    with Detector("cpu", num_threads=1, **settings) as detector:
        for key, path in files.items():
            if path.is_file():
                found[key] = from_faces(detector.detect(path))
    return score_widerface([image for image in annotated if image.key in found], found, of_images=len(annotated))


def landmarks(data: Path, name: str, *, given: bool) -> LandmarkResult:
    """Place landmarks in the given boxes, or find the faces too, and measure the errors."""
    faces = read_landmarks(data / "landmarks" / f"{name}.txt")
    find: Callable[..., tuple[Detections, Any]]
    if given:
        find = BoxAligner(load_weights(), {face.path: face.box for face in faces}).find
    else:
        detector = Detector("cpu", num_threads=1)

        def find(image: Any, _: str) -> tuple[Detections, Any]:
            return from_faces(detector.detect(image)), {}

    found = {}
    for face in faces:
        image = load_image(data / "landmarks" / slashes(face.path))
        found[face.path] = choose_face(find(image, face.path)[0], face.box)
    return score_landmarks(faces, found)


def draw_curves(data: Path, pictures: Path) -> None:
    """Draw precision over recall, and the errors of landmarks; print the figures, to be held against the tables."""
    scored = {name: widerface(data, settings) for name, settings in SETTINGS.items()}
    for name, result in scored.items():
        print(name, result.average_precision, flush=True)
    title = next(iter(scored.values())).label
    curves = {name: result.curves for name, result in scored.items()}
    plot_precision_recall(pictures / "evaluation" / "widerface-subset.png", curves, title)

    results = {
        f"{name}, boxes {'given' if given else 'detected'}": landmarks(data, name, given=given)
        for name in ("net_7876", "AFLW_80")
        for given in (True, False)
    }
    for name, errors in results.items():
        print(name, errors.missed, errors.per_face("inter-ocular").mean(), flush=True)
    title = "; ".join(f"{results[f'{name}, boxes given'].faces:,} faces of {name}" for name in ("net_7876", "AFLW_80"))
    plot_cumulative_errors(pictures / "evaluation" / "landmarks.png", results, title)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tables", "curves"))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures")
    arguments = parser.parse_args()
    (arguments.out / "evaluation").mkdir(parents=True, exist_ok=True)
    if arguments.what == "tables":
        draw_tables(arguments.out)
    else:
        draw_curves(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
