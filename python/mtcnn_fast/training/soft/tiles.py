"""Tiles of pyramid levels, on which P-Net is trained convolutionally: all cells of a tile at once."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtcnn_fast._types import AnyArray, Doubles, Floats, Pixels
from mtcnn_fast.config import CELL
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import DataError
from mtcnn_fast.files import write_json
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import resize_pyramid
from mtcnn_fast.training.samples import shards
from mtcnn_fast.training.samples.workers import run
from mtcnn_fast.training.soft.mining import record_plan
from mtcnn_fast.training.soft.options import TileOptions

#: Images whose tiles make one file.
_CHUNK = 16
#: Faces that a tile knows, those closest to the size of a cell.
FACES = 24
#: Sides in cells' windows of the faces around which tiles are cut.
_NEAR = (0.8, 1.9)
_DONE = "tiles.json"


class Tiles(NamedTuple):
    """Tiles, a row each.

    Attributes
    ----------
    images : (n, T, T, 3) uint8
        RGB.
    faces : (n, FACES, 4) float32
        Boxes xyxy in pixels of the tile; NaN beyond those that there are.
    usable : (n, FACES) int8
        0 for faces that are ignored or too small, which are neither faces nor background.
    scale : (n,) float32
        Pixels of the level for a pixel of the image.
    """

    images: Pixels
    faces: Floats
    usable: AnyArray
    scale: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    folder: Path
    options: TileOptions
    plan: str
    seed: int


def cut_tiles(
    records: Sequence[FaceRecord],
    folder: Path,
    options: TileOptions,
    *,
    seed: int = 0,
    workers: int = 1,
) -> None:
    """Write tiles of the pyramids of images: half of them around faces, the others anywhere.

    Parameters
    ----------
    records : sequence of FaceRecord
        Those that are not annotated completely are passed over.
    folder : Path
        For these tiles alone. What was interrupted goes on; what is complete is left as it is.
    options : TileOptions
    seed : int
    workers : int
        Processes. The result does not depend on it.

    Raises
    ------
    DataError
        If `folder` holds other tiles.
    ImageError
        If an image cannot be read.
    """
    whole = [record for record in records if record.complete]
    # Tuples become lists, as they are when the plan is read again.
    plan = json.loads(json.dumps({**record_plan(whole), "options": dataclasses.asdict(options), "seed": seed}))
    shards.begin_set(folder, plan)
    if (folder / _DONE).exists():
        return
    job = _Job(folder, options, shards.plan_hash(plan), seed)
    chunks = [(at, whole[at : at + _CHUNK]) for at in range(0, len(whole), _CHUNK)]
    missing = [
        each for each in chunks if not shards.is_whole(shards.shard_path(folder, "p", each[0] // _CHUNK), job.plan)
    ]
    for _ in run(functools.partial(_cutter, job), missing, workers):
        pass
    write_json(folder / _DONE, {"images": len(whole)})


def open_tiles(folder: Path) -> Tiles:
    """Return all tiles of a folder; images are read into memory.

    Raises
    ------
    DataError
        If there are none, or a file is damaged.
    """
    paths = sorted(folder.glob("p-*.safetensors"))
    if not paths:
        raise DataError("holds no tiles", folder)
    parts = [shards.read_shard(path, None, verify=False) for path in paths]
    columns: list[Any] = [np.concatenate([part[name] for part in parts]) for name in Tiles._fields]
    return Tiles(*columns)


def _cutter(job: _Job) -> Callable[[tuple[int, Sequence[FaceRecord]]], int]:
    def work(task: tuple[int, Sequence[FaceRecord]]) -> int:
        first, records = task
        parts = [_of_image(job, number, record) for number, record in enumerate(records, first)]
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in Tiles._fields
        }
        shards.write_shard(shards.shard_path(job.folder, "p", first // _CHUNK), arrays, job.plan)
        return len(records)

    return work


def _of_image(job: _Job, number: int, record: FaceRecord) -> Tiles:
    options = job.options
    rng = np.random.default_rng([job.seed, number])
    pixels = load_image(record.path)
    height, width = pixels.shape[:2]
    scales = _scales(rng, options, min(height, width))
    if not len(scales):
        return _none(options.side)
    sides = (record.boxes[:, 2:] - record.boxes[:, :2]).max(axis=1, initial=0)
    faces = np.flatnonzero(record.usable & (sides >= options.min_face))
    # Scales that show a face at about the size of a cell's window; each level is computed once.
    around: list[tuple[float, Doubles | None]] = []
    for face in rng.permutation(faces)[: options.per_image // 2]:
        scale = CELL * rng.uniform(*_NEAR) / float(sides[face])
        nearest = float(scales[np.abs(np.log(scales / scale)).argmin()])
        around.append((nearest, record.boxes[face].reshape(2, 2).mean(axis=0) * nearest))
    # A level has cells by the square of its scale; by the scale itself, small levels are not left out.
    anywhere = rng.choice(scales, options.per_image - len(around), p=scales / scales.sum())
    wanted = [*around, *((float(scale), None) for scale in anywhere)]
    parts = []
    for scale in sorted({scale for scale, _ in wanted}):
        level = resize_pyramid(pixels, [scale], num_threads=1)[0]
        image = np.rint(level * 128 + 127.5).astype(np.uint8).transpose(1, 2, 0)
        for middle in (place for each, place in wanted if each == scale):
            parts.append(_tile(image, scale, middle, record, options, rng))
    return Tiles(*(np.stack(column) for column in zip(*parts, strict=True)))


def _scales(rng: np.random.Generator, options: TileOptions, side: int) -> Doubles:
    """Return the scales of a pyramid, its first one drawn around that of the smallest face."""
    scale = CELL / options.min_face_size * rng.uniform(options.scale_jitter[0], options.scale_jitter[1])
    scales = []
    while side * scale >= CELL:
        scales.append(scale)
        scale *= options.factor
    return np.array(scales)


def _none(side: int) -> Tiles:
    return Tiles(
        np.empty((0, side, side, 3), np.uint8),
        np.empty((0, FACES, 4), np.float32),
        np.empty((0, FACES), np.int8),
        np.empty(0, np.float32),
    )


def _tile(
    image: Pixels,
    scale: float,
    middle: Doubles | None,
    record: FaceRecord,
    options: TileOptions,
    rng: np.random.Generator,
) -> tuple[Any, ...]:
    side = options.side
    size = np.array([image.shape[1], image.shape[0]])
    room = np.maximum(size - side, 0)
    corner = rng.uniform(0, 1, 2) * room if middle is None else middle - side * rng.uniform(0.25, 0.75, 2)
    left, top = np.clip(np.rint(corner), 0, room).astype(int)
    # What lies beyond a small level is black, and no cell of it is learned: see `mtcnn_fast.training.soft.cells`.
    tile = np.zeros((side, side, 3), np.uint8)
    part = image[top : top + side, left : left + side]
    tile[: part.shape[0], : part.shape[1]] = part
    boxes = record.boxes.astype(np.float64) * scale - [left, top, left, top]
    return tile, *_faces_of(boxes, record, scale, part.shape, options), np.float32(scale)


def _faces_of(
    boxes: Doubles, record: FaceRecord, scale: float, shape: tuple[int, ...], options: TileOptions
) -> tuple[Floats, AnyArray]:
    """Return the faces of a tile that is filled up to `shape`, the rest of it as one that is not usable."""
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    inside = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, 0] < shape[1]) & (boxes[:, 1] < shape[0]) & (longer > 0)
    near = np.flatnonzero(inside)
    near = near[np.argsort(np.abs(np.log(longer[near] / CELL)), kind="stable")][: FACES - 2]
    faces, usable = np.full((FACES, 4), np.nan, np.float32), np.zeros(FACES, np.int8)
    faces[: len(near)] = boxes[near]
    usable[: len(near)] = record.usable[near] & (longer[near] / scale >= options.min_face)
    side = options.side
    beyond = [(0, shape[0], side, side), (shape[1], 0, side, side)]
    for row, box in enumerate(beyond, FACES - 2):
        if box[0] < side and box[1] < side:
            faces[row] = box
    return faces, usable
