"""Mining: one pass of the cascade over whole images gives the windows that R-Net and O-Net have to judge."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mtcnn_fast._types import Floats, Pixels
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.files import write_json
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import crop_pad_resize
from mtcnn_fast.training.samples import shards
from mtcnn_fast.training.samples.cutting import to_bytes
from mtcnn_fast.training.samples.geometry import SIZES, Stage
from mtcnn_fast.training.samples.proposals import cpu_device
from mtcnn_fast.training.samples.workers import run
from mtcnn_fast.training.soft.labels import BACKGROUND_BELOW, Labels, label_windows
from mtcnn_fast.training.soft.options import MiningOptions
from mtcnn_fast.training.soft.window_set import Windows

if TYPE_CHECKING:
    from mtcnn_fast.detector import Detector
    from mtcnn_fast.faces.trace import StageTrace
    from mtcnn_fast.weights import Weights

#: Images whose windows make one file.
_CHUNK = 16
#: Steps of the trace with the windows that each stage gets.
_STEPS: dict[Stage, str] = {"r": "proposals", "o": "refinement"}
# No probability is above 1.
_NEVER = 1.0
_DONE = "mined.json"


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """What all images of a pass have in common."""

    folder: Path
    weights: Weights
    options: MiningOptions
    stages: tuple[Stage, ...]
    plan: str
    seed: int


def mine(
    records: Sequence[FaceRecord],
    weights: Weights,
    folder: Path,
    options: MiningOptions,
    *,
    stages: Sequence[Stage] = ("r", "o"),
    seed: int = 0,
    workers: int = 1,
    progress: bool = False,
) -> None:
    """Write the windows of R-Net and O-Net that a cascade proposes on images, with their labels.

    Parameters
    ----------
    records : sequence of FaceRecord
        Images that are annotated completely give windows of every kind; the others only windows with landmarks.
    weights : Weights
        P-Net proposes; R-Net chooses O-Net's windows.
    folder : Path
        For this pass alone. What was interrupted goes on; what is complete is left as it is.
    options : MiningOptions
    stages : sequence of {"r", "o"}
        Whose windows are wanted.
    seed : int
    workers : int
        Processes. The result does not depend on it.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Raises
    ------
    DataError
        If `folder` holds the windows of another pass.
    ImageError
        If an image cannot be read.
    """
    plan: dict[str, Any] = {
        **record_plan(records),
        "weights": dict(weights.sha256),
        "options": dataclasses.asdict(options),
        "stages": list(stages),
        "seed": seed,
    }
    plan = json.loads(json.dumps(plan))
    shards.begin_set(folder, plan)
    if (folder / _DONE).exists():
        return
    job = _Job(folder, weights, options, tuple(stages), shards.plan_hash(plan), seed)
    chunks = [(at, records[at : at + _CHUNK]) for at in range(0, len(records), _CHUNK)]
    missing = [chunk for chunk in chunks if not _is_there(job, chunk[0] // _CHUNK)]
    done = run(functools.partial(_miner, job), missing, workers)
    images: Iterator[None] = (None for count in done for _ in range(count))
    if progress:
        from mtcnn_fast.progress import track

        images = track(images, sum(len(chunk) for _, chunk in missing))
    for _ in images:
        pass
    write_json(folder / _DONE, {"images": len(records)})


def record_plan(records: Sequence[FaceRecord]) -> dict[str, Any]:
    """Return what tells these records from others, for the plan of a set."""
    digest = hashlib.sha256()
    for record in records:
        # Not the whole path: the data may have moved.
        digest.update(f"{record.path.parent.name}/{record.path.name} {record.complete}".encode())
        for array in (record.boxes, record.points, record.usable):
            digest.update(array.tobytes())
    return {"records": {"count": len(records), "sha256": digest.hexdigest()}}


def _path(job: _Job, stage: str, number: int) -> Path:
    return shards.shard_path(job.folder, stage, number)


def _is_there(job: _Job, number: int) -> bool:
    return all(shards.is_whole(_path(job, stage, number), job.plan) for stage in job.stages)


def _miner(job: _Job) -> Callable[[tuple[int, Sequence[FaceRecord]]], int]:
    from mtcnn_fast.detector import Detector

    options = job.options
    detectors = [
        Detector(
            cpu_device(),
            weights=job.weights,
            min_face_size=size,
            thresholds=(options.thresholds[0], options.thresholds[1] if "o" in job.stages else _NEVER, _NEVER),
            # Processes are what runs side by side.
            num_threads=1,
        )
        for size in options.min_face_sizes
    ]

    def work(task: tuple[int, Sequence[FaceRecord]]) -> int:
        first, records = task
        found: dict[Stage, list[Windows]] = {stage: [] for stage in job.stages}
        for number, record in enumerate(records, first):
            for stage, windows in _of_image(job, detectors[number % len(detectors)], number, record).items():
                found[stage].append(windows)
        for stage, parts in found.items():
            arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Windows._fields}
            shards.write_shard(_path(job, stage, first // _CHUNK), arrays, job.plan)
        return len(records)

    return work


def _of_image(job: _Job, detector: Detector, number: int, record: FaceRecord) -> dict[Stage, Windows]:
    rng = np.random.default_rng([job.seed, number])
    pixels = load_image(record.path)
    steps = {step.step: step for step in cast("list[StageTrace]", detector.detect(pixels, trace=True).trace)}
    result = {}
    for stage in job.stages:
        step = _STEPS[stage]
        boxes, scores = np.empty((0, 4), np.float32), np.empty(0, np.float32)
        if step in steps:
            boxes, scores = steps[step].boxes, steps[step].scores
        if stage == "r" and not record.complete:
            # R-Net has no landmarks to learn.
            corners, scores, labels = boxes[:0], scores[:0], label_windows(record, boxes[:0], 0)
        else:
            corners, scores, labels = _chosen(job.options, stage, record, boxes, scores, rng)
        result[stage] = _cut(stage, pixels, number, record, corners, scores, labels)
    return result


def _chosen(
    options: MiningOptions,
    stage: Stage,
    record: FaceRecord,
    boxes: Floats,
    scores: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Labels]:
    """Choose windows among those proposed, and draw more around the faces."""
    labels = label_windows(record, boxes, options.min_face)
    least = BACKGROUND_BELOW if record.complete else options.min_drawn_overlap
    near = np.flatnonzero(labels.certain & (labels.overlap >= least))
    near = rng.permutation(near)[: options.most_near]
    chosen = [near]
    if record.complete:
        far = np.flatnonzero(labels.certain & (labels.overlap < BACKGROUND_BELOW))
        most = options.most_background[0 if stage == "r" else 1]
        # R-Net's are any that P-Net proposes: those hard for one R-Net alone are no picture of what the next one sees.
        far = rng.permutation(far) if stage == "r" else far[np.argsort(-scores[far], kind="stable")]
        chosen.append(far[:most])
    picked = np.concatenate(chosen)
    drawn, drawn_labels = _around_faces(options, record, rng)
    return (
        np.concatenate([boxes[picked], drawn]),
        np.concatenate([scores[picked], np.full(len(drawn), -1, np.float32)]),
        labels.take(picked).followed_by(drawn_labels),
    )


def _around_faces(options: MiningOptions, record: FaceRecord, rng: np.random.Generator) -> tuple[Floats, Labels]:
    """Draw windows around faces, so that those the cascade misses are learned too."""
    sides = record.boxes[:, 2:] - record.boxes[:, :2]
    large = np.flatnonzero(record.usable & (sides.min(axis=1, initial=np.inf) >= options.min_face))
    large = rng.permutation(large)[: options.most_drawn]
    count = options.drawn_windows[0 if record.complete else 1]
    faces = np.repeat(large, count)
    side = sides[faces].max(axis=1, initial=0)
    middle = (record.boxes[faces, :2] + record.boxes[faces, 2:]) / 2 + side[:, None] * rng.uniform(
        -options.shift_jitter, options.shift_jitter, (len(faces), 2)
    )
    least, most = options.scale_jitter
    half = (side * rng.uniform(least, most, len(faces)) / 2)[:, None]
    # Counted from 1, as crops count.
    corners = np.concatenate([middle - half + 1, middle + half], axis=1).astype(np.float32)
    labels = label_windows(record, corners, options.min_face)
    kept = np.flatnonzero(labels.certain & (labels.overlap >= options.min_drawn_overlap))
    return corners[kept], labels.take(kept)


def _cut(
    stage: Stage,
    pixels: Pixels,
    number: int,
    record: FaceRecord,
    corners: Floats,
    scores: Floats,
    labels: Labels,
) -> Windows:
    crops, valid = crop_pad_resize(pixels, corners, SIZES[stage], num_threads=1)
    corners, scores, labels = corners[valid], scores[valid], labels.take(np.flatnonzero(valid))
    count, face = len(corners), labels.face
    boxes, points = np.full((count, 4), np.nan, np.float32), np.full((count, 5, 2), np.nan, np.float32)
    boxes[face >= 0], points[face >= 0] = record.boxes[face[face >= 0]], record.points[face[face >= 0]]
    overlap = labels.overlap if record.complete else np.full(count, -1, np.float32)
    image = np.full(count, number, np.int64)
    return Windows(to_bytes(crops[valid]), corners, boxes, points, overlap, scores, image, face)
