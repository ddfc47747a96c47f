"""Reference detections: reading them, and comparing a backend's faces with them as ``docs/semantics.md`` defines it."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mtcnn_fast.backends.base import Backend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.trace import StageTrace
from support.data import DATA

#: Border setting that each file of reference detections was made with.
BORDERS = {"default": "clip", "wider_settings": "clip", "min_face_40": "clip", "zero": "zero"}

BOX_TOLERANCE = 0.5
SCORE_TOLERANCE = 1e-3
NEAR_THRESHOLD = 1e-4
NEAR_INTEGER = 1e-3
TIE_SCORE = 2e-6
TIE_OVERLAP = 0.7

#: Least share of the faces that must match, ties and near cases apart; and the largest share that may be ties.
LEAST_MATCHED = 0.999
MOST_TIES = 0.005

MakeBackend = Callable[[DetectorConfig], Backend]


@dataclasses.dataclass(frozen=True)
class Golden:
    """One file: the settings, and the reference faces of each image by its path in the data folder `root`."""

    name: str
    root: Path
    config: DetectorConfig
    images: dict[str, Faces]

    def events(self) -> dict[str, list[str]]:
        """Group the images by the folder they lie in."""
        groups: dict[str, list[str]] = {}
        for path in self.images:
            groups.setdefault(Path(path).parent.name, []).append(path)
        return groups


@dataclasses.dataclass
class Tally:
    """Counts over any number of images; `misses` and `extras` describe each face that nothing excuses."""

    faces: int = 0
    matched: int = 0
    ties: int = 0
    near_threshold: int = 0
    near_integer: int = 0
    misses: list[str] = dataclasses.field(default_factory=list)
    extras: list[str] = dataclasses.field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        fields = [field.name for field in dataclasses.fields(self)]
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in fields})

    @property
    def share_matched(self) -> float:
        """Matched share of the faces that are neither ties nor near a threshold or an integer."""
        counted = self.faces - self.ties - self.near_threshold - self.near_integer
        return self.matched / counted if counted else 1.0

    @property
    def share_ties(self) -> float:
        return self.ties / self.faces if self.faces else 0.0


@functools.cache
def load_golden(name: str, root: Path = DATA) -> Golden:
    content = json.loads((root / "golden" / f"{name}.json").read_text())
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in content["settings"].items()}
    images = {path: _reference(entry) for path, entry in content["images"].items()}
    return Golden(name, root, DetectorConfig(border=BORDERS[name], **settings), images)


def _reference(entry: dict) -> Faces:
    boxes = np.array(entry["boxes"], np.float32).reshape(-1, 4)
    scores = np.array(entry["scores"], np.float32)
    landmarks = np.array(entry["landmarks"], np.float32).reshape(-1, 5, 2)
    return Faces(boxes, scores, landmarks, tuple(entry["size"]))


def read_image(path: Path) -> np.ndarray:
    """Decode an image as the reference did: by Pillow, without turning it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def compare_images(make: MakeBackend, golden: Golden, paths: Iterable[str]) -> Tally:
    """Run a backend on images of a golden file and compare its faces with the reference's."""
    backend = make(golden.config)
    total = Tally()
    for path in paths:
        image = read_image(golden.root / path)
        faces = backend.detect([image], trace=True)[0]
        total += compare(make, golden.config, image, faces, golden.images[path], f"{golden.name}: {path}")
    return total


def match(ours: Faces, reference: Faces) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair faces one to one, nearest first: (ours, reference) pairs, and what is left of ours and of the reference."""
    boxes = np.abs(ours.boxes[:, None] - reference.boxes[None]).max(axis=2)
    landmarks = np.abs(ours.landmarks[:, None] - reference.landmarks[None]).max(axis=(2, 3))
    scores = np.abs(ours.scores[:, None] - reference.scores[None])
    distance = np.maximum(boxes, landmarks)
    allowed = (distance <= BOX_TOLERANCE) & (scores <= SCORE_TOLERANCE)
    pairs: list[tuple[int, int]] = []
    left_ours, left_reference = set(range(len(ours))), set(range(len(reference)))
    candidates = np.argwhere(allowed)
    for i, j in candidates[np.argsort(distance[allowed], kind="stable")].tolist():
        if i in left_ours and j in left_reference:
            pairs.append((i, j))
            left_ours.remove(i)
            left_reference.remove(j)
    return pairs, sorted(left_ours), sorted(left_reference)


def overlap_min(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over the smaller area, last column and row included, in float64."""
    box, boxes = np.asarray(box, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    size = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]) + 1
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    return np.prod(np.maximum(size, 0), axis=1) / np.minimum(areas, np.prod(box[2:] - box[:2] + 1))


def compare(
    make: MakeBackend, config: DetectorConfig, image: np.ndarray, ours: Faces, reference: Faces, where: str
) -> Tally:
    """Compare the faces, with trace, that a backend finds in an image with others; `where` begins each description."""
    pairs, extra, missing = match(ours, reference)
    tally = Tally(faces=len(reference), matched=len(pairs))
    for j in list(missing):
        for i in extra:
            if _is_tie(ours, i, reference, j):
                missing.remove(j)
                extra.remove(i)
                tally.ties += 1
                break
    if not missing and not extra:
        return tally
    if _suppressed_otherwise(ours, reference):
        tally.ties += len(missing)
        return tally
    shifted = [make(_shift_thresholds(config, by)).detect([image])[0] for by in (-NEAR_THRESHOLD, NEAR_THRESHOLD)]
    for j in missing:
        if abs(reference.scores[j] - config.thresholds[2]) <= NEAR_THRESHOLD or any(
            _holds(faces, reference, j) for faces in shifted
        ):
            tally.near_threshold += 1
        elif _near_integer(ours, reference.boxes[j]):
            tally.near_integer += 1
        else:
            tally.misses.append(f"{where}: {_describe(reference, j)}: {_first_difference(ours, reference.boxes[j])}")
    for i in extra:
        if all(_holds(faces, ours, i) for faces in shifted) and not _near_integer(ours, ours.boxes[i]):
            tally.extras.append(f"{where}: {_describe(ours, i)} is not in the reference")
    return tally


def _is_tie(ours: Faces, i: int, reference: Faces, j: int) -> bool:
    """Tell whether both may stand for the same face: the last suppression takes equal scores in either order."""
    close = abs(float(ours.scores[i]) - float(reference.scores[j])) <= TIE_SCORE
    return close and overlap_min(reference.boxes[j], ours.boxes[i])[0] > TIE_OVERLAP


def _suppressed_otherwise(ours: Faces, reference: Faces) -> bool:
    """Tell whether the two part where rounding decides which of equal scores a suppression keeps.

    On a plain area all candidates have one score. In the first step that differs, each box that only one of the two
    keeps must overlap one of the same score that the other keeps, or follow from such: one of higher score that only
    the other keeps overlaps it, and may suppress it there. It takes traces of both.
    """
    for mine, other in zip(ours.trace or (), reference.trace or (), strict=False):
        sides = list(_only_in_first(mine, other)), list(_only_in_first(other, mine))
        if any(sides):
            return all(
                (overlap_min(one.box, one.near) > 0).any() or _suppressed_by(one, others)
                for alone, others in (sides, sides[::-1])
                for one in alone
            )
    return False


class _Alone(NamedTuple):
    """A box that the other lacks, and the other's boxes of the same score."""

    box: np.ndarray
    score: float
    near: np.ndarray


def _only_in_first(step: StageTrace, other: StageTrace) -> Iterator[_Alone]:
    for box, score in zip(step.boxes, step.scores.astype(float).tolist(), strict=True):
        near = other.boxes[np.abs(other.scores.astype(float) - score) <= TIE_SCORE]
        if not (np.abs(near - box).max(axis=1, initial=0) <= BOX_TOLERANCE).any():
            yield _Alone(box, score, near)


def _suppressed_by(one: _Alone, others: Sequence[_Alone]) -> bool:
    higher = [other.box for other in others if other.score > one.score]
    return bool((overlap_min(one.box, np.array(higher)) > 0).any())


def _shift_thresholds(config: DetectorConfig, by: float) -> DetectorConfig:
    thresholds = tuple(min(max(value + by, 0.0), 1.0) for value in config.thresholds)
    return dataclasses.replace(config, thresholds=thresholds)


def _holds(faces: Faces, others: Faces, index: int) -> bool:
    """Tell whether one of `faces` matches one face of `others`."""
    return len(match(faces, others[index : index + 1])[0]) == 1


def _near_integer(ours: Faces, box: np.ndarray) -> bool:
    """Tell whether a candidate for this face was cropped at a corner that rounding may move by a pixel."""
    for step in ours.trace or ():
        if step.step in ("proposals", "refinement"):
            corners = step.boxes[overlap_min(box, step.boxes) > TIE_OVERLAP]
            if (np.abs(corners - np.round(corners)) <= NEAR_INTEGER).any():
                return True
    return False


def _first_difference(ours: Faces, box: np.ndarray) -> str:
    """Name the first step of the cascade that has no candidate left for a face that the reference has."""
    if ours.trace is None:
        return "this backend has no trace"
    for step in ours.trace:
        if not (overlap_min(box, step.boxes) > TIE_OVERLAP).any():
            return f"no candidate is left after step {step.step!r}"
    return "every step has a candidate, the values of the output differ"


def _describe(faces: Faces, index: int) -> str:
    return f"face at {np.round(faces.boxes[index], 2).tolist()} with score {faces.scores[index]:.6f}"
