"""The three networks as TorchScript, on the levels and crops that the steps of a device make."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.steps import Candidates, CropNetworkName, DeviceOps, Maps
from mtcnn_fast.nets.script import run_script


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSizes:
    """Inputs that a network sees at once. R-Net and O-Net get exactly so many: another number may round differently.

    ``pnet`` is None where all levels of one size go together.
    """

    pnet: int | None
    rnet: int
    onet: int


class ScriptNetworks:
    """Runs the networks on tensors; see `mtcnn_fast.backends.cascade.networks.Networks`.

    Parameters
    ----------
    scripts : mapping of str to nn.Module
        ``pnet``, ``rnet`` and ``onet`` on the device, in the type they compute in.
    device_ops : DeviceOps
        On tensors.
    sizes : BatchSizes
    dtype, memory_format : torch.dtype, torch.memory_format
        Of the networks.
    download_counts : bool
        Whether to wait for the number of candidates before R-Net and O-Net, and to run them on no more than those,
        instead of on the whole capacity without waiting.
    """

    def __init__(
        self,
        scripts: Mapping[str, nn.Module],
        device_ops: DeviceOps[Any],
        sizes: BatchSizes,
        *,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
        download_counts: bool = False,
    ) -> None:
        self._scripts, self._ops, self._sizes = scripts, device_ops, sizes
        self._dtype, self._memory_format, self._download_counts = dtype, memory_format, download_counts

    def scan(self, batch: Any, observer: Observer) -> list[Maps]:
        """Run P-Net on all levels of a batch."""
        with observer.time("pyramid"):
            groups = self._ops.pyramid(batch)
        with observer.time("pnet"):
            return [self._scan(group) for group in groups]

    def _scan(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """Run P-Net over levels of one size."""
        parts = [self._run("pnet", part) for part in torch.split(group, self._sizes.pnet or len(group))]
        scores, offsets = (torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True))
        return scores.contiguous(), offsets.contiguous()

    def _run(self, name: str, batch: Tensor) -> tuple[Tensor, ...]:
        return run_script(self._scripts[name], batch.to(self._dtype, memory_format=self._memory_format))

    def classify(
        self, name: CropNetworkName, batch: Any, candidates: Candidates, observer: Observer
    ) -> tuple[Candidates, Tensor, Tensor | None]:
        """Crop candidates and run R-Net or O-Net on the crops."""
        length = int(candidates.count) if self._download_counts else len(candidates.boxes)
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
