"""The cascade on torch tensors: one orchestration for the CPU and CUDA, over `DeviceOps` and the three networks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._types import Floats
from mtcnn_fast.backends.recorder import Recorder
from mtcnn_fast.backends.torch.steps import Batch, Candidates, Capacities, DeviceOps, FacesTensor
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces.trace import StageTrace
from mtcnn_fast.nets.script import run_script


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSizes:
    """Inputs that a network sees at once. R-Net and O-Net get exactly so many: another number may round differently.

    ``pnet`` is None where all levels of one size go together.
    """

    pnet: int | None
    rnet: int
    onet: int


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Candidates after a step of the cascade, still on the device."""

    name: str
    candidates: Candidates
    valid: Tensor | None


class Observer:
    """Collects times and candidates of one run; by default neither.

    Parameters
    ----------
    record : Recorder or None
        Gets the times.
    keep_steps : bool
        Whether to remember the candidates.
    synchronise : callable
        Waits for the device, so that times are those of the work and not of its queueing.
    """

    def __init__(
        self,
        record: Recorder | None = None,
        *,
        keep_steps: bool = False,
        synchronise: Callable[[], None] = lambda: None,
    ) -> None:
        self._record, self._keep_steps, self._synchronise = record, keep_steps, synchronise
        self.steps: list[Step] = []

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block as one of `mtcnn_fast.faces.trace.STAGES`."""
        if self._record is None:
            yield
            return
        with self._record.time(stage):
            yield
            self._synchronise()

    def candidates(self, name: str, candidates: Candidates, valid: Tensor | None = None) -> None:
        """Remember the candidates of a step, without those that are not valid."""
        if self._keep_steps:
            copy = dataclasses.replace(candidates, boxes=candidates.boxes.clone(), scores=candidates.scores.clone())
            self.steps.append(Step(name, copy, valid))

    def traces(self, images: int) -> list[list[StageTrace]]:
        """Return the steps of each image."""
        traces: list[list[StageTrace]] = [[] for _ in range(images)]
        for step in self.steps:
            count = int(step.candidates.count)
            index = step.candidates.images[:count].cpu().numpy()
            keep = np.ones(count, np.bool_) if step.valid is None else step.valid[:count].cpu().numpy()
            boxes, scores = (part[:count].cpu().numpy() for part in (step.candidates.boxes, step.candidates.scores))
            for image, trace in enumerate(traces):
                mine = keep & (index == image)
                trace.append(StageTrace(step.name, boxes[mine], scores[mine]))
        return traces


class Cascade:
    """Runs the steps of docs/semantics.md on a batch.

    Parameters
    ----------
    config : DetectorConfig
    networks : mapping of str to nn.Module
        ``pnet``, ``rnet`` and ``onet`` on the device, in the type they compute in.
    device_ops : DeviceOps
    sizes : BatchSizes
    dtype, memory_format : torch.dtype, torch.memory_format
        Of the networks.
    download_counts : bool
        Whether to wait for the number of candidates before R-Net and O-Net, and to run them on no more than those,
        instead of on the whole capacity without waiting.
    """

    def __init__(
        self,
        config: DetectorConfig,
        networks: Mapping[str, nn.Module],
        device_ops: DeviceOps[Any],
        sizes: BatchSizes,
        *,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
        download_counts: bool = False,
    ) -> None:
        self._config, self._networks, self._ops, self._sizes = config, networks, device_ops, sizes
        self._dtype, self._memory_format = dtype, memory_format
        self._download_counts = download_counts

    def detect(self, batch: Batch, room: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces of a batch of images."""
        return self.refine(batch, self.propose(batch, room, observer), room, observer)

    def propose(self, batch: Batch, room: Capacities, observer: Observer) -> Candidates:
        """Return what P-Net proposes, regressed and square (section 2)."""
        limits = self._config.nms_thresholds
        with observer.time("pyramid"):
            groups = self._ops.pyramid(batch)
        with observer.time("pnet"):
            maps = [self._scan(group) for group in groups]
        with observer.time("proposals"):
            found = self._ops.propose(batch, maps, self._config.thresholds[0], room.proposals)
            assert found.segments is not None
            kept = self._ops.suppress(found, found.segments, len(batch.plan.levels), limits[0], "iou")
            found = self._ops.gather(batch, found, kept, room.proposals, None, False)
            observer.candidates("pnet", found)
            kept = self._ops.suppress(found, found.images, len(batch.plan.sizes), limits[1], "iou")
            return self._ops.gather(batch, found, kept, room.rnet, 0, True)

    def refine(self, batch: Batch, candidates: Candidates, room: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces among square candidates, by R-Net and O-Net (sections 3 and 4)."""
        limits, thresholds, images = self._config.nms_thresholds, self._config.thresholds, len(batch.plan.sizes)
        seen, valid, _ = self._look("rnet", batch, candidates, observer)
        observer.candidates("proposals", candidates, valid)
        with observer.time("refinement"):
            passed = self._ops.filter(batch, seen, None, valid, thresholds[1], room.rnet)
            observer.candidates("rnet", passed)
            kept = self._ops.suppress(passed, passed.images, images, limits[2], "iou")
            candidates = self._ops.gather(batch, passed, kept, room.onet, 1, True)
        seen, valid, points = self._look("onet", batch, candidates, observer)
        observer.candidates("refinement", candidates, valid)
        with observer.time("output"):
            passed = self._ops.filter(batch, seen, points, valid, thresholds[2], room.onet)
            observer.candidates("onet", passed)
            passed = self._ops.gather(batch, passed, None, room.onet, 1, False)
            kept = self._ops.suppress(passed, passed.images, images, limits[3], "iomin")
            faces = self._ops.gather(batch, passed, kept, room.onet, None, False)
            observer.candidates("output", faces, torch.isfinite(faces.boxes).all(1))
            return self._ops.pack(batch, faces, room.faces)

    def _run(self, name: str, batch: Tensor) -> tuple[Tensor, ...]:
        return run_script(self._networks[name], batch.to(self._dtype, memory_format=self._memory_format))

    def _scan(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """Run P-Net over levels of one size."""
        parts = [self._run("pnet", part) for part in torch.split(group, self._sizes.pnet or len(group))]
        scores, offsets = (torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True))
        return scores, offsets

    def _look(
        self, name: str, batch: Batch, candidates: Candidates, observer: Observer
    ) -> tuple[Candidates, Tensor, Tensor | None]:
        """Crop candidates and run R-Net or O-Net: them with its scores and offsets, which are valid, and its points."""
        side, size = (24, self._sizes.rnet) if name == "rnet" else (48, self._sizes.onet)
        length = int(candidates.count) if self._download_counts else len(candidates.boxes)
        crops_valid, outputs = [], []
        for first in range(0, max(length, 1), size):
            part = _part(candidates, first, min(first + size, length))
            with observer.time(f"{name}_crop"):
                crops, valid = self._ops.crop(batch, part, side)
                if len(crops) < size:
                    crops = torch.cat([crops, crops.new_zeros(size - len(crops), *crops.shape[1:])])
            with observer.time(name):
                outputs.append([output[: len(valid)] for output in self._run(name, crops)])
            crops_valid.append(valid)
        scores, offsets, *points = (torch.cat(part) for part in zip(*outputs, strict=True))
        seen = dataclasses.replace(_part(candidates, 0, length), scores=scores, offsets=offsets)
        return seen, torch.cat(crops_valid), points[0] if points else None


def _part(candidates: Candidates, first: int, last: int) -> Candidates:
    """Return candidates ``first`` to ``last - 1``, and how many of them are in use."""
    rows = slice(first, last)
    return Candidates(
        candidates.boxes[rows],
        candidates.scores[rows],
        candidates.offsets[rows],
        candidates.images[rows],
        (candidates.count - first).clamp(0, max(last - first, 0)),
    )


def empty_candidates(boxes: Sequence[Floats], device: torch.device) -> Candidates:
    """Make candidates of the boxes ``(N, 4)`` of each image, with scores that no network has given yet."""
    index = np.repeat(np.arange(len(boxes), dtype=np.int32), [len(part) for part in boxes])
    corners = torch.from_numpy(np.concatenate([np.empty((0, 4), np.float32), *boxes])).to(device)
    return Candidates(
        corners,
        corners.new_zeros(len(corners)),
        corners.new_zeros(corners.shape),
        torch.from_numpy(index).to(device),
        torch.tensor([len(corners)], dtype=torch.int32, device=device),
    )
