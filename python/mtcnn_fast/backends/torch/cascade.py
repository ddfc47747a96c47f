"""The cascade on torch tensors: one orchestration for the CPU and CUDA, over `DeviceOps` and the three networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._types import Floats
from mtcnn_fast.backends.torch.observer import Observer
from mtcnn_fast.backends.torch.steps import Batch, Candidates, Capacities, CropNetworkName, DeviceOps, FacesTensor
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.nets.script import run_script


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSizes:
    """Inputs that a network sees at once. R-Net and O-Net get exactly so many: another number may round differently.

    ``pnet`` is None where all levels of one size go together.
    """

    pnet: int | None
    rnet: int
    onet: int


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
    fused : bool
        Whether `device_ops` runs the networks itself, by its `scan` and `classify`; ``networks`` may be empty then.
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
        fused: bool = False,
    ) -> None:
        self._config, self._networks, self._ops, self._sizes = config, networks, device_ops, sizes
        self._dtype, self._memory_format = dtype, memory_format
        self._download_counts, self._fused = download_counts, fused

    def detect(self, batch: Batch, capacities: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces of a batch of images."""
        return self.refine(batch, self.propose(batch, capacities, observer), capacities, observer)

    def propose(self, batch: Batch, capacities: Capacities, observer: Observer) -> Candidates:
        """Return what P-Net proposes, regressed and square (section 2)."""
        limits = self._config.nms_thresholds
        maps = self._maps(batch, observer)
        with observer.time("proposals"):
            found = self._ops.propose(batch, maps, self._config.thresholds[0], capacities.proposals)
            assert found.segments is not None
            kept = self._ops.suppress(found, found.segments, len(batch.plan.levels), limits[0], "iou")
            observer.suppressed(found, found.segments, limits[0])
            found = self._ops.gather(batch, found, kept, capacities.proposals)
            observer.kept("pnet", found)
            kept = self._ops.suppress(found, found.images, len(batch.plan.sizes), limits[1], "iou")
            observer.suppressed(found, found.images, limits[1])
            return self._ops.gather(batch, found, kept, capacities.rnet, regress=True, square=True, wanted=1)

    def _maps(self, batch: Batch, observer: Observer) -> list[tuple[Tensor, Tensor]]:
        """Return P-Net's scores and offsets for all levels, as `DeviceOps.propose` takes them."""
        if self._fused:
            with observer.time("pnet"):
                return self._ops.scan(batch)
        with observer.time("pyramid"):
            groups = self._ops.pyramid(batch)
        with observer.time("pnet"):
            return [self._scan(group) for group in groups]

    def refine(self, batch: Batch, candidates: Candidates, capacities: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces among square candidates, by R-Net and O-Net (sections 3 and 4)."""
        limits, thresholds, images = self._config.nms_thresholds, self._config.thresholds, len(batch.plan.sizes)
        seen, valid, _ = self._run_on_crops("rnet", batch, candidates, observer)
        observer.kept("proposals", candidates, valid)
        with observer.time("refinement"):
            observer.below_threshold(seen, valid, thresholds[1])
            passed = self._ops.filter(batch, seen, None, valid, thresholds[1], capacities.rnet)
            observer.kept("rnet", passed)
            kept = self._ops.suppress(passed, passed.images, images, limits[2], "iou")
            observer.suppressed(passed, passed.images, limits[2])
            candidates = self._ops.gather(
                batch, passed, kept, capacities.onet, regress=True, inclusive=True, square=True, wanted=2
            )
        seen, valid, points = self._run_on_crops("onet", batch, candidates, observer)
        observer.kept("refinement", candidates, valid)
        with observer.time("output"):
            observer.below_threshold(seen, valid, thresholds[2])
            passed = self._ops.filter(batch, seen, points, valid, thresholds[2], capacities.onet)
            observer.kept("onet", passed)
            passed = self._ops.gather(batch, passed, None, capacities.onet, regress=True, inclusive=True)
            kept = self._ops.suppress(passed, passed.images, images, limits[3], "iomin")
            observer.suppressed(passed, passed.images, limits[3], "iomin")
            faces = self._ops.gather(batch, passed, kept, capacities.onet)
            observer.result(faces, self._config.max_faces)
            return self._ops.pack(batch, faces, capacities)

    def _run(self, name: str, batch: Tensor) -> tuple[Tensor, ...]:
        return run_script(self._networks[name], batch.to(self._dtype, memory_format=self._memory_format))

    def _scan(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """Run P-Net over levels of one size."""
        parts = [self._run("pnet", part) for part in torch.split(group, self._sizes.pnet or len(group))]
        scores, offsets = (torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True))
        return scores, offsets

    def _run_on_crops(
        self, name: CropNetworkName, batch: Batch, candidates: Candidates, observer: Observer
    ) -> tuple[Candidates, Tensor, Tensor | None]:
        """Crop candidates and run R-Net or O-Net on the crops.

        Returns
        -------
        candidates : Candidates
            With the network's scores and offsets.
        valid : (n,) bool
            Which of them have an area, a pixel inside the image and finite corners.
        points : (n, 10) float32 or None
            O-Net's landmarks, in units of the box.
        """
        length = int(candidates.count) if self._download_counts else len(candidates.boxes)
        if self._fused:
            with observer.time(name):
                return self._ops.classify(batch, _part(candidates, 0, length), name)
        side, size = (24, self._sizes.rnet) if name == "rnet" else (48, self._sizes.onet)
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
    if (first, last) == (0, len(candidates.boxes)):
        return candidates
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
