"""Weights side by side: detection, false faces, landmarks, attributes of faces, and time image by image in turns.

    python benchmarks/weights.py zhang2016 wider wider,min_face_size=25,factor=0.6 --out weights.json --rounds 3 \\
        --widerface WIDER_val/images eval_tools/ground_truth wider_face_split/wider_face_val_bbx_gt.txt \\
        --fddb originalPics FDDB-folds --free non_face_scenes --landmarks data AFLW_80.txt

Weights are names or paths, as `Detector` takes them; settings follow by commas (``thresholds=0.7/0.7/0.5``). A data set
that is not given is left out; ``--landmarks`` can be given more than once. One thread, default settings but for those
named; "whole curve" is 0.01 as O-Net's threshold. FDDB is the share found with at most 100 false positives. An image's
time is the processor's, the least of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast import Detector, Faces
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.datasets.fddb import read_fddb_images
from mtcnn_fast.datasets.landmark_lists import read_landmarks
from mtcnn_fast.datasets.textfiles import slashes
from mtcnn_fast.datasets.widerface import read_widerface_images, widerface_rows
from mtcnn_fast.evaluation.fddb import score_fddb
from mtcnn_fast.evaluation.landmarks import choose_face, score_landmarks
from mtcnn_fast.evaluation.reports import as_markdown
from mtcnn_fast.evaluation.systems import from_faces
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.faces.overlap import iou_matrix
from mtcnn_fast.files import write_text
from mtcnn_fast.images import load_image

LOW = 0.01
FOUND = 0.5

#: Columns of the text annotation, and what their values mean.
ATTRIBUTES = {
    "blur": (4, ("clear", "normal", "heavy")),
    "occlusion": (8, ("none", "partial", "heavy")),
    "pose": (9, ("typical", "atypical")),
    "illumination": (6, ("normal", "extreme")),
    "expression": (5, ("typical", "exaggerated")),
}
INVALID = 7
#: Heights of faces in pixels. Attributes are compared from the second on, since most smaller faces are blurred.
HEIGHTS = (10, 20, 40, 80, 160, 10_000)


class Contender:
    """Weights with settings; finds the whole curve's faces, from which those at the threshold are taken."""

    def __init__(self, text: str) -> None:
        self.weights, *settings = text.split(",")
        self.settings = {name: _value(value) for name, value in (each.split("=") for each in settings)}
        *first, self.threshold = DetectorConfig(**self.settings).thresholds
        self._detector = self.make(thresholds=(*first, LOW))

    def make(self, **settings: Any) -> Detector:
        return Detector("cpu", weights=self.weights, num_threads=1, **{**self.settings, **settings})

    def detect(self, image: Path | np.ndarray) -> Faces:
        return self._detector.detect(image)

    def usual(self, faces: Faces) -> Faces:
        """Return the faces that the settings leave: better boxes alone suppress others."""
        return faces[faces.scores > self.threshold]


def _value(text: str) -> Any:
    return tuple(map(float, text.split("/"))) if "/" in text else float(text)


class WiderFace:
    """Average precision at the default settings and of the whole curve, false positives, and recall by attribute."""

    def __init__(self, folder: Path, truth: Path, text: Path) -> None:
        named = [(image, folder / f"{image.key}.jpg") for image in read_widerface_images(truth)]
        self.images = [(image, path) for image, path in named if path.is_file()]
        self.pixels = [load_image(path) for _, path in self.images]
        rows = dict(widerface_rows(text))
        self.rows = [rows[f"{image.key}.jpg"] for image, _ in self.images]

    def measure(self, contender: Contender) -> dict[str, Any]:
        whole = [contender.detect(pixels) for pixels in self.pixels]
        usual = [contender.usual(faces) for faces in whole]
        images = [image for image, _ in self.images]
        figures: dict[str, Any] = {"images": len(images)}
        for name, found in (("default", usual), ("whole_curve", whole)):
            keyed = {image.key: from_faces(faces) for image, faces in zip(images, found, strict=True)}
            figures[name] = score_widerface(images, keyed).average_precision
        figures["false_positives"] = sum(
            int((_overlaps(faces, image.boxes).max(axis=1, initial=0.0) < FOUND).sum())
            for image, faces in zip(images, usual, strict=True)
        )
        return {**figures, "recall": {"default": self.recall(usual), "whole_curve": self.recall(whole)}}

    def recall(self, found: Sequence[Faces]) -> dict[str, tuple[int, float]]:
        """Return for each group of faces how many there are, and the share of which a detection covers half."""
        covered = np.concatenate(
            [
                _overlaps(faces, image.boxes).max(axis=0, initial=0.0) >= FOUND
                for (image, _), faces in zip(self.images, found, strict=True)
            ]
        )
        rows = np.concatenate(self.rows)
        valid, height = rows[:, INVALID] == 0, rows[:, 3]
        groups = {
            f"height {low} to {high - 1}" if high < HEIGHTS[-1] else f"height from {low}": (height >= low)
            & (height < high)
            for low, high in itertools.pairwise(HEIGHTS)
        }
        for name, (column, values) in ATTRIBUTES.items():
            for number, value in enumerate(values):
                groups[f"{name} {value}"] = (rows[:, column] == number) & (height >= HEIGHTS[1])
        return {
            name: (int((group & valid).sum()), float(covered[group & valid].mean())) for name, group in groups.items()
        }


def _overlaps(faces: Faces, boxes: np.ndarray) -> np.ndarray:
    return iou_matrix(faces.boxes.astype(np.float64), boxes, inclusive=False)


def fddb(contender: Contender, folder: Path, folds: Path) -> dict[str, Any]:
    everything = read_fddb_images(folds)
    present = [image for image in everything if image.file(folder).is_file()]
    pixels = {image.name: load_image(image.file(folder)) for image in present}
    found = {name: from_faces(contender.usual(contender.detect(image))) for name, image in pixels.items()}
    sizes = {name: (image.shape[1], image.shape[0]) for name, image in pixels.items()}
    result = score_fddb(present, found, sizes=sizes, of_images=len(everything))
    return {
        "label": result.label,
        "rate": float(result.discrete.at(100)),
        "false_positives": result.to_dict()["false_positives"],
    }


def without_faces(contender: Contender, folder: Path) -> dict[str, int]:
    found = [contender.detect(path) for path in sorted(folder.rglob("*.jpg"))]
    usual = sum(len(contender.usual(faces)) for faces in found)
    return {
        "images": len(found),
        "default": usual,
        "above 0.9": sum(int((faces.scores > 0.9).sum()) for faces in found),
    }


def landmarks(contender: Contender, folder: Path, annotation: Path) -> dict[str, Any]:
    faces = [face for face in read_landmarks(annotation) if (folder / slashes(face.path)).is_file()]
    found = {
        face.path: choose_face(from_faces(contender.usual(contender.detect(folder / slashes(face.path)))), face.box)
        for face in faces
    }
    figures = score_landmarks(faces, found).to_dict()
    return {key: figures[key] for key in ("faces", "missed", "inter_ocular")}


def times(detectors: dict[str, Detector], pixels: Sequence[np.ndarray], rounds: int) -> dict[str, float]:
    """Return each detector's mean milliseconds of an image."""
    least = np.full((len(detectors), len(pixels)), np.inf)
    for place, image in enumerate(pixels):
        for _ in range(rounds):
            for row, detector in enumerate(detectors.values()):
                start = time.process_time()
                detector.detect(image)
                least[row, place] = min(least[row, place], time.process_time() - start)
    return dict(zip(detectors, (1000 * least.mean(axis=1)).tolist(), strict=True))


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Return the figures as tables of Markdown, a row for each of the weights."""
    rows = []
    for name, each in results.items():
        wider = each.get("widerface", {})
        row: list[object] = [name, *(_joined(wider.get(key)) for key in ("default", "whole_curve"))]
        row += [wider.get("false_positives", ""), each.get("without_faces", {}).get("default", "")]
        row += [each.get("fddb", {}).get(key, "") for key in ("rate", "false_positives")]
        row += ["; ".join(_error(faces) for faces in each.get("landmarks", {}).values()), each.get("milliseconds", "")]
        rows.append(row)
    columns = ["weights", "default", "whole curve", "false positives", "on images without faces", "FDDB"]
    text = as_markdown([*columns, "its false positives", "landmarks", "ms"], rows)
    if all("widerface" in each for each in results.values()):
        for setting in ("default", "whole_curve"):
            recalls = {name: each["widerface"]["recall"][setting] for name, each in results.items()}
            groups = next(iter(recalls.values()))
            lines = [
                [group, count, *(recalls[name][group][1] for name in recalls)] for group, (count, _) in groups.items()
            ]
            text += f"\n{setting}\n\n" + as_markdown(["faces", "number", *recalls], lines)
    return text


def _joined(figures: dict[str, float] | None) -> str:
    return "" if figures is None else " / ".join(f"{value:.4f}" for value in figures.values())


def _error(figures: dict[str, Any]) -> str:
    return f"{100 * figures['inter_ocular']['mean']:.2f} % ({figures['missed']} of {figures['faces']} missed)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", metavar="WEIGHTS[,SETTING=VALUE...]")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--widerface", type=Path, nargs=3, metavar=("IMAGES", "GROUND_TRUTH", "TEXT"))
    parser.add_argument("--fddb", type=Path, nargs=2, metavar=("IMAGES", "FOLDS"))
    parser.add_argument("--free", type=Path, help="a folder of photographs without faces")
    parser.add_argument("--landmarks", type=Path, nargs=2, action="append", default=[], metavar=("IMAGES", "LIST"))
    parser.add_argument("--rounds", type=int, default=0, help="of timing")
    arguments = parser.parse_args()
    wider = WiderFace(*arguments.widerface) if arguments.widerface else None
    results: dict[str, dict[str, Any]] = {}
    contenders = {name: Contender(name) for name in arguments.weights}
    for name, contender in contenders.items():
        figures = results[name] = {}
        if wider:
            figures["widerface"] = wider.measure(contender)
        if arguments.fddb:
            figures["fddb"] = fddb(contender, *arguments.fddb)
        if arguments.free:
            figures["without_faces"] = without_faces(contender, arguments.free)
        figures["landmarks"] = {path.stem: landmarks(contender, root, path) for root, path in arguments.landmarks}
    if wider and arguments.rounds:
        detectors = {name: contender.make() for name, contender in contenders.items()}
        for name, milliseconds in times(detectors, wider.pixels, arguments.rounds).items():
            results[name]["milliseconds"] = milliseconds
    if arguments.out:
        write_text(arguments.out, json.dumps(results, indent=1) + "\n")
    print(tables(results))


if __name__ == "__main__":
    main()
