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
from mtcnn_fast.training.samples.allotment import Quota, allot, level
from mtcnn_fast.training.samples.cutting import CutSettings, cut_record
from mtcnn_fast.training.samples.geometry import SIZES, STAGES, Stage
from mtcnn_fast.training.samples.proposals import PREVIOUS, make_detector, propose, weights_hash
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind, SampleSet
from mtcnn_fast.training.samples.windows import AnnotatedFaces
from mtcnn_fast.training.samples.workers import run

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

#: Samples in a shard, about.
_SHARD = 2048


@dataclasses.dataclass(frozen=True, slots=True)
class ShardInput:
    """The images whose samples make one shard.

    Attributes
    ----------
    number : int
    first : int
        Place of the first image among all records.
    records : sequence of FaceRecord
    wanted : sequence of Quota
    """

    number: int
    first: int
    records: Sequence[FaceRecord]
    wanted: Sequence[Quota]


@dataclasses.dataclass(frozen=True, slots=True)
class ShardContext:
    """What every shard_input is worked on with.

    Attributes
    ----------
    settings : CutSettings
    folder : Path
    plan : str
        Hash of the plan.
    weights : Weights or None
        For R-Net and O-Net.
    """

    settings: CutSettings
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
    inputs = _divide(faces, options)
    plan = _plan(stage, faces, previous, options, seed, len(inputs))
    folder = shards.begin_set(out, plan)
    context = ShardContext(CutSettings(stage, options, seed), folder, shards.plan_hash(plan), previous)
    if not shards.is_complete(folder):
        _make(context, inputs, workers, progress)
        shards.finish_set(folder, plan, len(inputs))
    samples = SampleSet.open(folder, verify=False)
    if not len(samples):
        raise DataError("the records give no samples: none has a face that is large enough, or background", folder)
    return samples


def _previous(stage: Stage, weights: str | os.PathLike[str] | Weights | None) -> Weights | None:
    if stage == "p":
        return None
    from mtcnn_fast.weights import Weights, load_first_networks

    return weights if isinstance(weights, Weights) else load_first_networks(weights, PREVIOUS[stage])


def _divide(records: Sequence[FaceRecord], options: SampleOptions) -> list[ShardInput]:
    wanted = allot(records, options)
    size = max(1, min(len(records), _SHARD * len(records) // options.total))
    starts = range(0, len(records), size)
    return [ShardInput(i, at, records[at : at + size], wanted[at : at + size]) for i, at in enumerate(starts)]


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


def _make(context: ShardContext, inputs: list[ShardInput], workers: int, progress: bool) -> None:
    if context.settings.stage != "p":
        _run_missing("proposals", _proposer, context, inputs, workers, progress)
        inputs = _with_negatives(context, inputs)
    _run_missing("samples", _cutter, context, inputs, workers, progress)


def _run_missing(
    kind: str,
    make: Callable[[ShardContext], Callable[[ShardInput], int]],
    context: ShardContext,
    inputs: list[ShardInput],
    workers: int,
    progress: bool,
) -> None:
    missing = [
        shard_input
        for shard_input in inputs
        if not shards.is_whole(shards.shard_path(context.folder, kind, shard_input.number), context.plan)
    ]
    done = run(functools.partial(make, context), missing, workers)
    # The bar counts images.
    images: Iterator[None] = (None for count in done for _ in range(count))
    if progress:
        from mtcnn_fast.progress import track

        images = track(images, sum(len(shard_input.records) for shard_input in missing))
    for _ in images:
        pass


def _proposer(context: ShardContext) -> Callable[[ShardInput], int]:
    stage, options = context.settings.stage, context.settings.options
    assert context.weights is not None
    detector = make_detector(stage, context.weights, options)

    def work(shard_input: ShardInput) -> int:
        boxes = [propose(detector, stage, load_image(record.path)) for record in shard_input.records]
        negatives = [
            int(np.count_nonzero(AnnotatedFaces(record, options.min_face).classify(found)[0] == SampleKind.NEGATIVE))
            for record, found in zip(shard_input.records, boxes, strict=True)
        ]
        arrays: dict[str, npt.NDArray[Any]] = {
            "boxes": np.concatenate(boxes),
            "counts": np.array([len(found) for found in boxes], np.int64),
            "negatives": np.array(negatives, np.int64),
        }
        shards.write_shard(shards.shard_path(context.folder, "proposals", shard_input.number), arrays, context.plan)
        return len(shard_input.records)

    return work


def _cutter(context: ShardContext) -> Callable[[ShardInput], int]:
    def work(shard_input: ShardInput) -> int:
        numbers = range(shard_input.first, shard_input.first + len(shard_input.records))
        rows = zip(numbers, shard_input.records, shard_input.wanted, _proposals(context, shard_input), strict=True)
        samples = [cut_record(context.settings, *row) for row in rows]
        arrays = {name: np.concatenate([getattr(batch, name) for batch in samples]) for name in SampleBatch._fields}
        shards.write_shard(shards.shard_path(context.folder, "samples", shard_input.number), arrays, context.plan)
        return len(shard_input.records)

    return work


def _proposals(context: ShardContext, shard_input: ShardInput) -> Iterator[Floats | None]:
    if context.settings.stage == "p":
        yield from [None] * len(shard_input.records)
        return
    arrays = shards.read_shard(shards.shard_path(context.folder, "proposals", shard_input.number), context.plan)
    borders = np.cumsum(arrays["counts"])[:-1]
    # Copied out of the file: what follows may write.
    yield from (np.array(part) for part in np.split(arrays["boxes"], borders))


def _with_negatives(context: ShardContext, inputs: list[ShardInput]) -> list[ShardInput]:
    """Divide the negatives among the images anew, by how many the previous stages propose on each."""
    counts = []
    for shard_input in inputs:
        path = shards.shard_path(context.folder, "proposals", shard_input.number)
        found = np.array(shards.read_shard(path, context.plan)["negatives"])
        counts.append(np.where([record.complete for record in shard_input.records], found, 0))
    taken = level(np.concatenate(counts), context.settings.options.targets()[SampleKind.NEGATIVE])
    result = []
    for shard_input in inputs:
        share = taken[shard_input.first : shard_input.first + len(shard_input.records)]
        wanted = [
            dataclasses.replace(each, negatives=int(count))
            for each, count in zip(shard_input.wanted, share, strict=True)
        ]
        result.append(dataclasses.replace(shard_input, wanted=wanted))
    return result
