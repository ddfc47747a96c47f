"""The steps between the networks on CUDA tensors, by the kernels of `mtcnn_fast._cuda`. Nothing here synchronises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Image, Overlap
from mtcnn_fast.backends.torch.plan import Plan
from mtcnn_fast.backends.torch.steps import Candidates, FacesTensor
from mtcnn_fast.config import Border
from mtcnn_fast.weights import BoxCoding

_TYPES = {
    torch.float32: "<f4",
    torch.float16: "<f2",
    torch.int64: "<i8",
    torch.int32: "<i4",
    torch.uint8: "|u1",
    torch.bool: "|b1",
}


class _View:
    """Memory with ``__cuda_array_interface__``; torch's own property looks up more than is needed."""

    __slots__ = ("__cuda_array_interface__", "_tensor")

    def __init__(self, tensor: Tensor) -> None:
        assert tensor.is_contiguous()
        self._tensor = tensor  # lives until the launch is queued; then the stream's order protects its memory
        self.__cuda_array_interface__: dict[str, Any] = {
            "shape": tuple(tensor.shape),
            "typestr": _TYPES[tensor.dtype],
            "data": (tensor.data_ptr(), False),
            "strides": None,
            "version": 2,
        }


def view(tensor: Tensor | None) -> _View | None:
    """Return a tensor's memory as the kernels take it."""
    return None if tensor is None else _View(tensor)


def workspace(size: int, module: ModuleType, device: torch.device) -> Tensor:
    """Return `size` bytes of device memory, at least 1, aligned to ``module.ALIGNMENT``; the tensor owns them."""
    memory = torch.empty(max(size, 1) + module.ALIGNMENT, dtype=torch.uint8, device=device)
    start = -memory.data_ptr() % module.ALIGNMENT
    return memory[start : start + max(size, 1)]


@dataclasses.dataclass(slots=True)
class CudaBatch:
    """One allocation with the images and the kernels' tables, and the flag that any step raises."""

    plan: Plan
    memory: Tensor
    resize_plan: Any
    resize_table: Tensor
    image_table: Tensor
    #: For each launch of `proposals` the table of its levels, and its chunks of work.
    level_tables: list[tuple[Tensor, int]]
    overflow: Tensor


class CudaOps:
    """The steps on one CUDA device.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    device : torch.device
    stream : callable
        Returns the handle of the stream to work on.
    """

    def __init__(
        self, module: ModuleType, device: torch.device, stream: Callable[[], int], coding: BoxCoding, border: Border
    ) -> None:
        self._module, self._device, self._stream = module, device, stream
        self._rcnn, self._zero_border = coding == "rcnn", border == "zero"

    def upload(self, images: Sequence[Image], plan: Plan) -> CudaBatch:
        """Copy images and tables to the device in one piece, from pinned memory."""
        return self._lay_out([np.ascontiguousarray(image) for image in images], plan)

    def adopt(self, images: Sequence[Tensor], plan: Plan) -> CudaBatch:
        """Use images ``(H, W, 3)`` uint8, any strides, that are on the device already."""
        return self._lay_out(list(images), plan)

    def refill(self, batch: CudaBatch, images: Sequence[Image]) -> None:
        """Put other images of the same sizes in the place of those that `upload` brought."""
        content = [np.ascontiguousarray(image).reshape(-1) for image in images]
        end = sum(self._aligned(array.size) for array in content)
        self._copy(batch.memory[:end], content)

    def _lay_out(self, images: Sequence[Any], plan: Plan) -> CudaBatch:
        sizes = [image.nbytes if isinstance(image, np.ndarray) else 0 for image in images]
        places = np.cumsum([0, *map(self._aligned, sizes)]).tolist()
        levels = self._level_tables(plan)
        module = self._module
        shapes = [
            module.LevelShape(image, group.height, group.width) for group in plan.groups for image in group.images
        ]
        # The tables' sizes do not depend on the images' addresses, which are known only with the allocation.
        resize_size = len(module.ResizePlan(self._entries(images, places, module.ALIGNMENT), shapes).table)
        table_sizes = [resize_size, module.IMAGE_BYTES * len(images), *(len(table) for table, _ in levels)]
        total = places[-1] + sum(map(self._aligned, table_sizes))
        memory = torch.empty(max(total, 1), dtype=torch.uint8, device=self._device)
        entries = self._entries(images, places, memory.data_ptr())
        resize_plan = module.ResizePlan(entries, shapes)
        content = [image.reshape(-1) for image in images if isinstance(image, np.ndarray)]
        texts = [resize_plan.table, module.image_table(entries), *(table for table, _ in levels)]
        parts = self._copy(memory, content + [np.frombuffer(text, np.uint8) for text in texts])[len(content) :]
        level_tables = [(part, chunks) for part, (_, chunks) in zip(parts[2:], levels, strict=True)]
        overflow = torch.zeros(1, dtype=torch.int32, device=self._device)
        return CudaBatch(plan, memory, resize_plan, parts[0], parts[1], level_tables, overflow)

    def _aligned(self, size: int) -> int:
        """Round a number of bytes up to what the next part of an allocation may begin at."""
        return int(-(-size // self._module.ALIGNMENT) * self._module.ALIGNMENT)

    def _entries(self, images: Sequence[Any], places: Sequence[int], base: int) -> list[Any]:
        entries: list[Any] = []
        for image, place in zip(images, places, strict=False):
            height, width = image.shape[:2]
            if isinstance(image, np.ndarray):
                entries.append(self._module.Image(base + place, 3 * width, 3, 1, height, width))
            else:
                entries.append(self._module.Image(image.data_ptr(), *image.stride(), height, width))
        return entries

    def _copy(self, memory: Tensor, content: Sequence[np.ndarray[Any, Any]]) -> list[Tensor]:
        """Copy arrays into `memory`, each aligned, by one transfer, and return the part of each."""
        pinned = self._device.type == "cuda"
        staging = torch.empty(memory.shape, dtype=torch.uint8, device="cpu", pin_memory=pinned)
        parts, place = [], 0
        for array in content:
            staging[place : place + array.size].numpy()[:] = array
            parts.append(memory[place : place + array.size])
            place += self._aligned(array.size)
        # Torch keeps pinned memory from being used again before the copy is over.
        memory.copy_(staging, non_blocking=True)
        return parts

    def _level_tables(self, plan: Plan) -> list[tuple[bytes, int]]:
        """Describe the levels to `proposals`, which takes the groups `MAX_MAPS` at a time."""
        most = self._module.MAX_MAPS
        launches: list[list[Any]] = [[]]
        launches += [[] for _ in range(most, len(plan.groups), most)]
        for segment, level in enumerate(plan.levels):
            rows, columns = plan.groups[level.group].cells
            launch, place = divmod(level.group, most)
            scale = float(np.float32(level.scale))
            launches[launch].append(
                self._module.ProposalLevel(place, level.slot, rows, columns, level.image, segment, scale)
            )
        tables = [self._module.ProposalTable(levels) for levels in launches]
        return [(table.table, table.chunks) for table in tables]

    def pyramid(self, batch: CudaBatch) -> list[Tensor]:
        """Return each group of the plan as a view of one allocation."""
        packed = self._empty(batch.resize_plan.elements)
        self._module.resize_pyramid(batch.resize_plan, view(batch.resize_table), view(packed), stream=self._stream())
        groups, place = [], 0
        for group in batch.plan.groups:
            shape = (len(group.images), 3, group.height, group.width)
            size = int(np.prod(shape))
            groups.append(packed[place : place + size].view(shape))
            place += size
        return groups

    def propose(
        self, batch: CudaBatch, maps: Sequence[tuple[Tensor, Tensor]], threshold: float, room: int
    ) -> Candidates:
        """Turn the cells that reach the threshold into candidates."""
        found = self._room(room, segments=True)
        held = [(scores.contiguous(), offsets.contiguous()) for scores, offsets in maps]
        most = self._module.MAX_MAPS
        for launch, (table, chunks) in enumerate(batch.level_tables):
            # The order of levels does not matter: what follows sorts by segment, and a segment is within one launch.
            self._module.proposals(
                [self._module.ProposalMap(*map(view, pair)) for pair in held[launch * most : (launch + 1) * most]],
                view(table),
                chunks,
                threshold,
                *map(view, (found.boxes, found.scores, found.offsets, found.segments, found.images, found.count)),
                view(batch.overflow),
                view(workspace(self._module.proposals_workspace_size(chunks), self._module, self._device)),
                append=launch > 0,
                stream=self._stream(),
            )
        return found

    def suppress(
        self, candidates: Candidates, segments: Tensor, segment_count: int, threshold: float, mode: Overlap
    ) -> tuple[Tensor, Tensor]:
        """Return what survives, by segment."""
        capacity = len(candidates.boxes)
        kept, count = self._empty(capacity, torch.int64), self._empty(1, torch.int32)
        space = workspace(self._module.batched_nms_workspace_size(capacity, segment_count), self._module, self._device)
        self._module.batched_nms(
            *map(view, (candidates.boxes, candidates.scores, segments)),
            max(segment_count, 1),
            view(candidates.count),
            threshold,
            mode == "iomin",
            *map(view, (kept, count, space)),
            stream=self._stream(),
        )
        return kept, count

    def gather(
        self, batch: CudaBatch, candidates: Candidates, kept: tuple[Tensor, Tensor] | None, room: int,
        extra: int | None, square: bool,
    ) -> Candidates:  # fmt: skip
        """Take, regress and square candidates."""
        if kept is None:
            indices, count, out = None, candidates.count, candidates
        else:
            indices, count = kept
            # More than there is room for: the first ones stay, and the flag says so.
            batch.overflow |= (count > room).int()
            count = count.clamp(max=room)
            out = self._room(room, landmarks=candidates.landmarks is not None)
            out.count = count
        self._module.gather_candidates(
            self._arrays(candidates),
            view(indices),
            view(count),
            self._arrays(out),
            regress=extra is not None,
            inclusive=extra == 1,
            rcnn_coding=self._rcnn,
            square=square,
            stream=self._stream(),
        )
        return out

    def crop(self, batch: CudaBatch, candidates: Candidates, size: int) -> tuple[Tensor, Tensor]:
        """Crop the candidates."""
        count = len(candidates.boxes)
        crops, valid = self._empty((count, 3, size, size)), self._empty(count, torch.bool)
        self._module.crop_pad_resize(
            *map(view, (batch.image_table, candidates.boxes, candidates.images, candidates.count, crops, valid)),
            zero_border=self._zero_border,
            stream=self._stream(),
        )
        return crops, valid

    def filter(
        self, batch: CudaBatch, candidates: Candidates, points: Tensor | None, valid: Tensor, threshold: float,
        room: int,
    ) -> Candidates:  # fmt: skip
        """Keep what passes."""
        found = self._room(room, landmarks=points is not None)
        space = workspace(self._module.filter_workspace_size(len(candidates.boxes)), self._module, self._device)
        self._module.filter_candidates(
            self._arrays(candidates),
            *map(view, (points, valid, candidates.count)),
            threshold,
            self._arrays(found),
            *map(view, (found.count, batch.overflow, space)),
            stream=self._stream(),
        )
        return found

    def pack(self, batch: CudaBatch, candidates: Candidates, room: int) -> FacesTensor:
        """Sort into tables."""
        images = len(batch.plan.sizes)
        faces = FacesTensor(
            self._empty((images, room, 4)),
            self._empty((images, room)),
            self._empty((images, room, 5, 2)),
            self._empty(images, torch.int32),
            batch.overflow,
        )
        self._module.pack_faces(
            self._arrays(candidates),
            *map(view, (candidates.count, faces.boxes, faces.scores, faces.landmarks, faces.counts, faces.overflow)),
            stream=self._stream(),
        )
        return faces

    def _empty(self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self._device)

    def _room(self, capacity: int, *, landmarks: bool = False, segments: bool = False) -> Candidates:
        return Candidates(
            boxes=self._empty((capacity, 4)),
            scores=self._empty(capacity),
            offsets=self._empty((capacity, 4)),
            images=self._empty(capacity, torch.int32),
            count=self._empty(1, torch.int32),
            landmarks=self._empty((capacity, 5, 2)) if landmarks else None,
            segments=self._empty(capacity, torch.int32) if segments else None,
        )

    def _arrays(self, candidates: Candidates) -> Any:
        """Describe a list to the kernels."""
        return self._module.Candidates(
            boxes=view(candidates.boxes),
            scores=view(candidates.scores),
            offsets=view(candidates.offsets),
            landmarks=view(candidates.landmarks),
            images=view(candidates.images),
        )
