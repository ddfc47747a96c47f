"""`make_samples`: the samples of one network, from annotated images to a finished set on disk."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._native import usable_processors
from mtcnn_fast._types import Floats
from mtcnn_fast.checks import Count
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.images import load_image
from mtcnn_fast.training.samples import shards
from mtcnn_fast.training.samples.allotment import Wanted, allot, level
from mtcnn_fast.training.samples.cutting import Recipe, cut_record
from mtcnn_fast.training.samples.geometry import SIZES, STAGES, Stage
from mtcnn_fast.training.samples.options import SampleOptions
from mtcnn_fast.training.samples.proposals import PREVIOUS, make_detector, propose, weights_hash
from mtcnn_fast.training.samples.sample_set import Batch, SampleKind, SampleSet
from mtcnn_fast.training.samples.windows import Faces
from mtcnn_fast.training.samples.workers import run

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

#: Samples in a shard, about.
_SHARD = 2048


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """The images whose samples make one shard.

    Attributes
    ----------
    number : int
    first : int
        Place of the first image among all records.
    records : sequence of FaceRecord
    wanted : sequence of Wanted
    """

    number: int
    first: int
    records: Sequence[FaceRecord]
    wanted: Sequence[Wanted]


@dataclasses.dataclass(frozen=True, slots=True)
class Kitchen:
    """What every unit is worked on with.

    Attributes
    ----------
    recipe : Recipe
    folder : Path
    plan : str
        Hash of the plan.
    weights : Weights or None
        For R-Net and O-Net.
    """

    recipe: Recipe
    folder: Path
    plan: str
    weights: Weights | None


def make_samples(
    stage: Stage,
    records: Iterable[FaceRecord],
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | Weights | None = None,
    options: SampleOptions | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> SampleSet:
    """Make the samples of a network, or go on making them, and open the set.

    P-Net's windows are drawn around the annotated faces and elsewhere. Those of R-Net and O-Net are what the previous
    stages propose on the images. The files in `out` are described in `mtcnn_fast.training.samples.shards`; they depend
    on the arguments alone, not on the number of processes or on interruptions.

    Parameters
    ----------
    stage : {"p", "r", "o"}
    records : iterable of FaceRecord
        Images whose faces are all annotated, lists of landmarks, or both.
    out : path-like or str
        A directory for this set alone. If an earlier call with the same arguments was interrupted, or killed, this one
        continues it; if it was finished, the set is opened.
    weights : path-like, str, Weights or None
        For ``r`` and ``o``: the networks before, as `Detector` takes them; of a folder only ``p.safetensors`` and, for
        ``o``, ``r.safetensors`` are needed. None takes those that come with the package.
    options : SampleOptions, optional
    seed : int
    workers : int or None
        Processes; None takes as many as there are processors. A script that calls this with more than one needs the
        usual ``if __name__ == "__main__":``.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Returns
    -------
    SampleSet

    Raises
    ------
    ConfigError
        If an argument is not accepted.
    DataError
        If there are no records, `out` holds a set made otherwise, or nothing can be sampled.
    ImageError
        If an image cannot be read.
    WeightsError
        If the weights are missing, damaged or of the wrong form.
    BackendError
        If a process dies.
    """
    if stage not in STAGES:
        raise ConfigError(f"stage must be one of {', '.join(STAGES)}, got {stage!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}")
    options = options or SampleOptions()
    workers = usable_processors() if workers is None else Count()("workers", workers)
    faces = list(records)
    if not faces:
        raise DataError("there are no records to make samples of")
    previous = _previous(stage, weights)
    units = _divide(faces, options)
    plan = _plan(stage, faces, previous, options, seed, len(units))
    folder = shards.begin_set(out, plan)
    kitchen = Kitchen(Recipe(stage, options, seed), folder, shards.plan_hash(plan), previous)
    if not shards.is_complete(folder):
        _make(kitchen, units, workers, progress)
        shards.finish_set(folder, plan, len(units))
    samples = SampleSet.open(folder, verify=False)
    if not len(samples):
        raise DataError("the records give no samples: none has a face that is large enough, or background", folder)
    return samples


def _previous(stage: Stage, weights: str | os.PathLike[str] | Weights | None) -> Weights | None:
    if stage == "p":
        return None
    from mtcnn_fast.weights import Weights, load_first_networks

    return weights if isinstance(weights, Weights) else load_first_networks(weights, PREVIOUS[stage])


def _divide(records: Sequence[FaceRecord], options: SampleOptions) -> list[Unit]:
    wanted = allot(records, options)
    size = max(1, min(len(records), _SHARD * len(records) // options.total))
    starts = range(0, len(records), size)
    return [Unit(i, at, records[at : at + size], wanted[at : at + size]) for i, at in enumerate(starts)]


def _plan(
    stage: Stage,
    records: Sequence[FaceRecord],
    weights: Weights | None,
    options: SampleOptions,
    seed: int,
    count: int,
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for record in records:
        # Not the whole path: the data may have moved.
        digest.update(f"{record.path.parent.name}/{record.path.name} {len(record)} {record.complete}".encode())
        for array in (record.boxes, record.points, record.usable):
            digest.update(array.tobytes())
    plan = {
        "format_version": shards.FORMAT_VERSION,
        "stage": stage,
        "size": SIZES[stage],
        "seed": seed,
        "options": dataclasses.asdict(options),
        "records": {"count": len(records), "sha256": digest.hexdigest()},
        "weights": None if weights is None else weights_hash(stage, weights),
        "shards": count,
    }
    # Tuples become lists, as they are when the plan is read again.
    content: dict[str, Any] = json.loads(json.dumps(plan))
    return content


def _make(kitchen: Kitchen, units: list[Unit], workers: int, progress: bool) -> None:
    if kitchen.recipe.stage != "p":
        _run_missing("proposals", _proposer, kitchen, units, workers, progress)
        units = _with_negatives(kitchen, units)
    _run_missing("samples", _cutter, kitchen, units, workers, progress)


def _run_missing(
    kind: str,
    make: Callable[[Kitchen], Callable[[Unit], int]],
    kitchen: Kitchen,
    units: list[Unit],
    workers: int,
    progress: bool,
) -> None:
    missing = [
        unit
        for unit in units
        if not shards.is_whole(shards.shard_path(kitchen.folder, kind, unit.number), kitchen.plan)
    ]
    done = run(functools.partial(make, kitchen), missing, workers)
    # The bar counts images.
    images: Iterator[None] = (None for count in done for _ in range(count))
    if progress:
        from mtcnn_fast.progress import track

        images = track(images, sum(len(unit.records) for unit in missing))
    for _ in images:
        pass


def _proposer(kitchen: Kitchen) -> Callable[[Unit], int]:
    stage, options = kitchen.recipe.stage, kitchen.recipe.options
    assert kitchen.weights is not None
    detector = make_detector(stage, kitchen.weights, options)

    def work(unit: Unit) -> int:
        boxes = [propose(detector, stage, load_image(record.path)) for record in unit.records]
        negatives = [
            int(np.count_nonzero(Faces(record, options.min_face).classify(found)[0] == SampleKind.NEGATIVE))
            for record, found in zip(unit.records, boxes, strict=True)
        ]
        arrays: dict[str, npt.NDArray[Any]] = {
            "boxes": np.concatenate(boxes),
            "counts": np.array([len(found) for found in boxes], np.int64),
            "negatives": np.array(negatives, np.int64),
        }
        shards.write_shard(shards.shard_path(kitchen.folder, "proposals", unit.number), arrays, kitchen.plan)
        return len(unit.records)

    return work


def _cutter(kitchen: Kitchen) -> Callable[[Unit], int]:
    def work(unit: Unit) -> int:
        numbers = range(unit.first, unit.first + len(unit.records))
        rows = zip(numbers, unit.records, unit.wanted, _proposals(kitchen, unit), strict=True)
        samples = [cut_record(kitchen.recipe, *row) for row in rows]
        arrays = {name: np.concatenate([getattr(batch, name) for batch in samples]) for name in Batch._fields}
        shards.write_shard(shards.shard_path(kitchen.folder, "samples", unit.number), arrays, kitchen.plan)
        return len(unit.records)

    return work


def _proposals(kitchen: Kitchen, unit: Unit) -> Iterator[Floats | None]:
    if kitchen.recipe.stage == "p":
        yield from [None] * len(unit.records)
        return
    arrays = shards.read_shard(shards.shard_path(kitchen.folder, "proposals", unit.number), kitchen.plan)
    borders = np.cumsum(arrays["counts"])[:-1]
    # Copied out of the file: what follows may write.
    yield from (np.array(part) for part in np.split(arrays["boxes"], borders))


def _with_negatives(kitchen: Kitchen, units: list[Unit]) -> list[Unit]:
    """Divide the negatives among the images anew, by how many the previous stages propose on each."""
    counts = []
    for unit in units:
        path = shards.shard_path(kitchen.folder, "proposals", unit.number)
        found = np.array(shards.read_shard(path, kitchen.plan)["negatives"])
        counts.append(np.where([record.complete for record in unit.records], found, 0))
    taken = level(np.concatenate(counts), kitchen.recipe.options.targets()[SampleKind.NEGATIVE])
    result = []
    for unit in units:
        share = taken[unit.first : unit.first + len(unit.records)]
        wanted = [
            dataclasses.replace(each, negatives=int(count)) for each, count in zip(unit.wanted, share, strict=True)
        ]
        result.append(dataclasses.replace(unit, wanted=wanted))
    return result
