"""The steps between the networks on the CPU: natively where the module is there, and numpy for the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtcnn_fast._native import checked_threads
from mtcnn_fast._types import AnyArray, Floats, Image, Overlap
from mtcnn_fast.backends import host
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.steps import Candidates, Capacities, FacesTensor
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.config import Border
from mtcnn_fast.weights import BoxCoding


@dataclasses.dataclass(slots=True)
class CpuBatch:
    """Images as they came: the steps read numpy arrays."""

    plan: Plan
    images: Sequence[Image]
    wanted: Tensor


class CpuOps:
    """The steps on the CPU."""

    def __init__(self, coding: BoxCoding, border: Border) -> None:
        self._coding, self._border = coding, border

    def upload(self, images: Sequence[Image], plan: Plan) -> CpuBatch:
        """Keep the images."""
        return CpuBatch(plan, images, _zeros(4, dtype=torch.int32))

    def put(self, arrays: Sequence[AnyArray]) -> list[Tensor]:
        """Return tensors over copies of the arrays."""
        return [_tensor(array.copy()) for array in arrays]

    def download(self, arrays: Sequence[Tensor]) -> list[AnyArray]:
        """Return the tensors' memory."""
        return [array.numpy() for array in arrays]

    def pyramid(self, batch: CpuBatch) -> list[Tensor]:
        """Return each group of the plan."""
        plan = batch.plan
        groups = [
            torch.empty((len(group.images), 3, group.height, group.width), dtype=torch.float32, device="cpu")
            for group in plan.groups
        ]
        for image, pixels in enumerate(batch.images):
            levels = [level for level in plan.levels if level.image == image]
            sizes = [(plan.groups[level.group].height, plan.groups[level.group].width) for level in levels]
            resized = host.resize_to_sizes(pixels, sizes, checked_threads(None))
            for level, content in zip(levels, resized, strict=True):
                groups[level.group][level.slot] = torch.from_numpy(content)
        return groups

    def propose(
        self, batch: CpuBatch, maps: Sequence[tuple[Tensor, Tensor]], threshold: float, capacity: int
    ) -> Candidates:
        """Turn the cells that reach the threshold into candidates."""
        parts = []
        for segment, level in enumerate(batch.plan.levels):
            scores, offsets = (part[level.slot].numpy() for part in maps[level.group])
            rows, columns = np.nonzero(scores >= np.float32(threshold))
            boxes = numpy_steps.map_cells(rows, columns, level.scale)
            places = np.array([[level.image, segment]], np.int32).repeat(len(rows), 0)
            parts.append((boxes, scores[rows, columns], offsets[:, rows, columns].T, places))
        empty = (np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 4), np.float32))
        parts.append((*empty, np.empty((0, 2), np.int32)))
        boxes, scores, offsets, places = (np.concatenate(part) for part in zip(*parts, strict=True))
        found = _candidates(boxes, scores, offsets, places[:, 0])
        found.segments = _tensor(places[:, 1])
        return found

    def suppress(
        self, candidates: Candidates, segments: Tensor, segment_count: int, threshold: float, mode: Overlap
    ) -> tuple[Tensor, Tensor]:
        """Return what survives, by segment."""
        del segment_count  # CUDA sorts by it
        groups = segments.numpy().astype(np.int64)
        kept = host.batched_nms(_array(candidates.boxes), _array(candidates.scores), groups, threshold, mode)
        return torch.from_numpy(kept), _count(len(kept))

    def gather(
        self, batch: CpuBatch, candidates: Candidates, kept: tuple[Tensor, Tensor] | None, capacity: int,
        regress: bool = False, inclusive: bool = False, square: bool = False, wanted: int | None = None,
    ) -> Candidates:  # fmt: skip
        """Take, regress and square candidates."""
        taken = candidates if kept is None else _map(candidates, lambda part: part[kept[0]])
        boxes = taken.boxes.numpy()
        with np.errstate(all="ignore"):
            if regress:
                boxes = numpy_steps.regress(boxes, taken.offsets.numpy(), self._coding, inclusive)
            if square:
                boxes = numpy_steps.square(boxes) if len(boxes) else boxes
        return dataclasses.replace(taken, boxes=_tensor(boxes), count=_count(len(boxes)))

    def crop(self, batch: CpuBatch, candidates: Candidates, size: int) -> tuple[Tensor, Tensor]:
        """Crop the candidates."""
        crops = _zeros(len(candidates.boxes), 3, size, size)
        valid = _zeros(len(candidates.boxes), dtype=torch.bool)
        index = candidates.images.numpy()
        for image in np.unique(index):
            # Candidates are ordered by image.
            mine = slice(*np.searchsorted(index, [image, image + 1]).tolist())
            boxes = _array(candidates.boxes[mine])
            content, usable = host.crop_pad_resize(
                batch.images[image], boxes, size, self._border, checked_threads(None)
            )
            crops[mine], valid[mine] = torch.from_numpy(content), torch.from_numpy(usable)
        return crops, valid

    def filter(
        self, batch: CpuBatch, candidates: Candidates, points: Tensor | None, valid: Tensor, threshold: float,
        capacity: int,
    ) -> Candidates:  # fmt: skip
        """Keep what passes."""
        keep = valid & (candidates.scores > float(np.float32(threshold)))
        taken = _map(candidates, lambda part: part[keep])
        if points is not None:
            # Weights of the user's own may put a point at infinity: that face is dropped, and needs no warning.
            with np.errstate(all="ignore"):
                taken.landmarks = _tensor(numpy_steps.place_landmarks(taken.boxes.numpy(), points[keep].numpy()))
        taken.count = _count(len(taken.boxes))
        return taken

    def pack(self, batch: CpuBatch, candidates: Candidates, capacities: Capacities) -> FacesTensor:
        """Sort into tables."""
        assert candidates.landmarks is not None
        images = len(batch.plan.sizes)
        index = candidates.images.numpy()
        boxes, scores = candidates.boxes.numpy(), candidates.scores.numpy()
        usable = np.isfinite(boxes).all(axis=1) & np.isfinite(candidates.landmarks.numpy()).all(axis=(1, 2))
        orders = []
        for image in range(images):
            mine = np.flatnonzero(usable & (index == image))
            orders.append(mine[numpy_steps.final_order(boxes[mine], scores[mine])])
        counts = torch.tensor([len(order) for order in orders], dtype=torch.int32, device="cpu")
        most = max([0, *map(len, orders)])
        faces = FacesTensor(
            _zeros(images, most, 4),
            _zeros(images, most),
            _zeros(images, most, 5, 2),
            counts,
            _zeros(1, dtype=torch.int32),
            batch.wanted,
        )
        for image, order in enumerate(orders):
            for table, part in ((faces.boxes, candidates.boxes), (faces.scores, candidates.scores),
                                (faces.landmarks, candidates.landmarks)):  # fmt: skip
                table[image, : len(order)] = part[torch.from_numpy(order)]
        return faces


def _zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device="cpu")


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.numpy())


def _tensor(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _count(number: int) -> Tensor:
    return torch.tensor([number], dtype=torch.int32, device="cpu")


def _candidates(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    offsets: npt.NDArray[np.float32],
    images: npt.NDArray[np.int32],
) -> Candidates:
    return Candidates(_tensor(boxes), _tensor(scores), _tensor(offsets), _tensor(images), _count(len(boxes)))


def _map(candidates: Candidates, take: Callable[[Tensor], Tensor]) -> Candidates:
    """Apply a function to every array of a list."""
    parts = {}
    for field in dataclasses.fields(candidates):
        part = getattr(candidates, field.name)
        parts[field.name] = part if part is None or field.name == "count" else take(part)
    return Candidates(**parts)
