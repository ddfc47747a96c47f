"""The steps between the networks on a CUDA device, by the kernels of `mtcnn_fast._cuda`. Nothing here synchronises."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray, Image, Overlap
from mtcnn_fast.backends.cascade.plan import KEPT_PLANS, Plan
from mtcnn_fast.backends.cascade.steps import Candidates, Capacities, DeviceArray, FacesTensor, Maps
from mtcnn_fast.backends.cuda.arrays import Arrays
from mtcnn_fast.backends.cuda.staging import Stager
from mtcnn_fast.config import Border
from mtcnn_fast.weights import BoxCoding


@dataclasses.dataclass(slots=True)
class CudaBatch:
    """One allocation with the images and the kernels' tables, and what the lists of candidates want."""

    plan: Plan
    memory: DeviceArray
    #: `_cuda.PNetPlan` where the fused P-Net runs, else `_cuda.ResizePlan`, and its table.
    level_plan: Any
    level_plan_table: DeviceArray
    image_table: DeviceArray
    #: For each launch of `proposals` the table of its levels, and its chunks of work.
    level_tables: list[tuple[DeviceArray, int]]
    #: As `FacesTensor.wanted`.
    wanted: DeviceArray


class CudaOps:
    """The steps on one CUDA device.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    arrays : Arrays
        What makes arrays on the device.
    coding : {"corner", "rcnn"}
    border : {"zero", "clip"}
    shared_memory : int or None
        Bytes that a block of the fused P-Net may have. None: P-Net runs elsewhere, on what `pyramid` returns.
    """

    def __init__(
        self,
        module: ModuleType,
        arrays: Arrays,
        coding: BoxCoding,
        border: Border,
        shared_memory: int | None = None,
    ) -> None:
        self._module, self._arrays = module, arrays
        self._stager = Stager(arrays)
        self._rcnn, self._zero_border = coding == "rcnn", border == "zero"
        self._shared_memory = shared_memory
        self._view, self._empty = arrays.view, arrays.empty
        self._pnet_plan = functools.lru_cache(KEPT_PLANS)(self._make_pnet_plan)
        self._table_sizes = functools.lru_cache(KEPT_PLANS)(self._measure_tables)

    def put(self, arrays: Sequence[AnyArray]) -> list[DeviceArray]:
        """Copy arrays to the device."""
        return self._arrays.put(arrays)

    def download(self, arrays: Sequence[DeviceArray]) -> list[AnyArray]:
        """Copy arrays to the host."""
        return self._arrays.download(arrays)

    def upload(self, images: Sequence[Image], plan: Plan) -> CudaBatch:
        """Copy images and tables into one allocation on the device."""
        return self._lay_out([np.ascontiguousarray(image) for image in images], plan)

    def describe(self, image: Any) -> Any:
        """Describe a tensor of torch ``(H, W, 3)`` uint8, any strides, as a `_cuda.Image`."""
        return self._module.Image(image.data_ptr(), *image.stride(), *image.shape[:2])

    def adopt(self, images: Sequence[Any], plan: Plan) -> CudaBatch:
        """Use images that are on the device already, as `_cuda.Image`."""
        return self._lay_out(images, plan)

    def refill(self, batch: CudaBatch, images: Sequence[Image]) -> None:
        """Put other images of the same sizes in the place of those that `upload` brought."""
        content = [np.ascontiguousarray(image).reshape(-1) for image in images]
        self._stager.fill(batch.memory, content, self._places([*map(len, content)])[:-1], in_use=True)

    def _lay_out(self, images: Sequence[Any], plan: Plan) -> CudaBatch:
        module = self._module
        content = [image.reshape(-1) for image in images if isinstance(image, np.ndarray)]
        *places, total = self._places([*map(len, content), *self._table_sizes(plan)])
        memory = self._arrays.upload_target(total)
        level_plan, tables, chunks = self._tables(plan, self._entries(images, places, memory.data_ptr()))
        self._stager.fill(memory, [*content, *(np.frombuffer(table, np.uint8) for table in tables)], places)
        table_places = places[len(content) :]
        parts = [memory[place : place + len(table)] for table, place in zip(tables, table_places, strict=True)]
        level_tables = list(zip(parts[2:], chunks, strict=True))
        wanted = self._arrays.zeros(module.LISTS, "int32")
        return CudaBatch(plan, memory, level_plan, parts[0], parts[1], level_tables, wanted)

    def _measure_tables(self, plan: Plan) -> list[int]:
        """Return the bytes of the tables. They hold addresses, which no size depends on."""
        return [len(table) for table in self._tables(plan, self._stand_ins(plan))[1]]

    def _stand_ins(self, plan: Plan) -> list[Any]:
        """Return images of the plan's sizes at no address."""
        return [
            self._module.Image(self._module.ALIGNMENT, 3 * width, 3, 1, height, width) for height, width in plan.sizes
        ]

    def _make_pnet_plan(self, plan: Plan) -> tuple[Any, bytes]:
        """Return the fused P-Net's plan for any images of these sizes, and its table for `propose`."""
        levels = []
        for segment, level in enumerate(plan.levels):
            group = plan.groups[level.group]
            scale = float(np.float32(level.scale))
            levels.append(self._module.PNetLevel(level.image, group.height, group.width, segment, scale))
        assert self._shared_memory is not None
        made = self._module.PNetPlan(self._stand_ins(plan), levels, shared_memory=self._shared_memory)
        return made, made.proposal_table

    def _tables(self, plan: Plan, images: Sequence[Any]) -> tuple[Any, list[bytes], list[int]]:
        """Return the plan of the levels, the tables (its own, that of images, those for `propose`) and their chunks."""
        module = self._module
        if self._shared_memory is None:
            shapes = [
                module.LevelShape(image, group.height, group.width) for group in plan.groups for image in group.images
            ]
            resize_plan = module.ResizePlan(images, shapes)
            levels = self._level_tables(plan)
            tables = [resize_plan.table, module.image_table(images), *(table for table, _ in levels)]
            return resize_plan, tables, [chunks for _, chunks in levels]
        pnet_plan, proposal_table = self._pnet_plan(plan)
        return pnet_plan, [pnet_plan.table_for(images), module.image_table(images), proposal_table], [pnet_plan.chunks]

    def _places(self, lengths: Sequence[int]) -> list[int]:
        """Return where each array or table begins in one allocation, aligned, and the size of all."""
        alignment = self._module.ALIGNMENT
        return [0, *itertools.accumulate(-(-length // alignment) * alignment for length in lengths)]

    def _entries(self, images: Sequence[Any], places: Sequence[int], base: int) -> list[Any]:
        entries: list[Any] = []
        # Only arrays have a place in the allocation; images on the device stay where they are.
        remaining = iter(places)
        for image in images:
            if isinstance(image, np.ndarray):
                height, width = image.shape[:2]
                entries.append(self._module.Image(base + next(remaining), 3 * width, 3, 1, height, width))
            else:
                entries.append(image)
        return entries

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

    def pyramid(self, batch: CudaBatch) -> list[DeviceArray]:
        """Return each group of the plan as a view of one allocation."""
        packed = self._empty(batch.level_plan.elements)
        table = self._view(batch.level_plan_table)
        self._module.resize_pyramid(batch.level_plan, table, self._view(packed), stream=self._arrays.stream())
        groups, place = [], 0
        for group in batch.plan.groups:
            shape = (len(group.images), 3, group.height, group.width)
            size = int(np.prod(shape))
            groups.append(packed[place : place + size].reshape(shape))
            place += size
        return groups

    def propose(self, batch: CudaBatch, maps: Sequence[Maps], threshold: float, capacity: int) -> Candidates:
        """Turn the cells that reach the threshold into candidates."""
        found = self._allocate(capacity, segments=True)
        held = [tuple(map(self._view, pair)) for pair in maps]
        most = self._module.MAX_MAPS
        for launch, (table, chunks) in enumerate(batch.level_tables):
            # The order of levels does not matter: what follows sorts by segment, and a segment is within one launch.
            self._module.proposals(
                [self._module.ProposalMap(*pair) for pair in held[launch * most : (launch + 1) * most]],
                self._view(table),
                chunks,
                threshold,
                *map(self._view, (found.boxes, found.scores, found.offsets, found.segments, found.images, found.count)),
                self._view(batch.wanted[:1]),
                self._workspace(self._module.proposals_workspace_size(chunks)),
                append=launch > 0,
                stream=self._arrays.stream(),
            )
        return found

    def suppress(
        self, candidates: Candidates, segments: DeviceArray, segment_count: int, threshold: float, mode: Overlap
    ) -> tuple[DeviceArray, DeviceArray]:
        """Return what survives, by segment."""
        capacity = len(candidates.boxes)
        kept, count = self._empty(capacity, "int64"), self._empty(1, "int32")
        space = self._workspace(self._module.batched_nms_workspace_size(capacity, segment_count))
        self._module.batched_nms(
            *map(self._view, (candidates.boxes, candidates.scores, segments)),
            max(segment_count, 1),
            self._view(candidates.count),
            threshold,
            mode == "iomin",
            *map(self._view, (kept, count)),
            space,
            stream=self._arrays.stream(),
        )
        return kept, count

    def gather(
        self, batch: CudaBatch, candidates: Candidates, kept: tuple[DeviceArray, DeviceArray] | None, capacity: int,
        regress: bool = False, inclusive: bool = False, square: bool = False, wanted: int | None = None,
    ) -> Candidates:  # fmt: skip
        """Take, regress and square candidates."""
        if kept is None:
            indices, count, out, out_count = None, candidates.count, candidates, None
        else:
            indices, count = kept
            out = self._allocate(capacity, landmarks=candidates.landmarks is not None)
            out_count = out.count
        self._module.gather_candidates(
            self._list(candidates),
            self._view(indices),
            self._view(count),
            self._list(out),
            self._view(out_count),
            None if wanted is None else self._view(batch.wanted[wanted : wanted + 1]),
            regress=regress,
            inclusive=inclusive,
            rcnn_coding=self._rcnn,
            square=square,
            stream=self._arrays.stream(),
        )
        return out

    def crop(self, batch: CudaBatch, candidates: Candidates, size: int) -> tuple[DeviceArray, DeviceArray]:
        """Crop the candidates."""
        count = len(candidates.boxes)
        crops, valid = self._empty((count, 3, size, size)), self._empty(count, "bool")
        self._module.crop_pad_resize(
            *map(self._view, (batch.image_table, candidates.boxes, candidates.images, candidates.count, crops, valid)),
            zero_border=self._zero_border,
            stream=self._arrays.stream(),
        )
        return crops, valid

    def filter(
        self, batch: CudaBatch, candidates: Candidates, points: DeviceArray | None, valid: DeviceArray,
        threshold: float, capacity: int,
    ) -> Candidates:  # fmt: skip
        """Keep what passes."""
        found = self._allocate(capacity, landmarks=points is not None)
        space = self._workspace(self._module.filter_workspace_size(len(candidates.boxes)))
        self._module.filter_candidates(
            self._list(candidates),
            *map(self._view, (points, valid, candidates.count)),
            threshold,
            self._list(found),
            *map(self._view, (found.count, self._empty(1, "int32"))),
            space,
            stream=self._arrays.stream(),
        )
        return found

    def pack(self, batch: CudaBatch, candidates: Candidates, capacities: Capacities) -> FacesTensor:
        """Sort into tables."""
        images = len(batch.plan.sizes)
        faces = FacesTensor(
            self._empty((images, capacities.faces, 4)),
            self._empty((images, capacities.faces)),
            self._empty((images, capacities.faces, 5, 2)),
            self._empty(images, "int32"),
            self._empty(1, "int32"),
            batch.wanted,
        )
        self._module.pack_faces(
            self._list(candidates),
            *map(self._view, (candidates.count, faces.boxes, faces.scores, faces.landmarks, faces.counts)),
            *map(self._view, (faces.wanted, faces.overflow)),
            limits=(capacities.proposals, capacities.rnet, capacities.onet),
            stream=self._arrays.stream(),
        )
        return faces

    def _workspace(self, size: int) -> Any:
        return self._view(self._empty(max(size, 1), "uint8"))

    def _allocate(self, capacity: int, *, landmarks: bool = False, segments: bool = False) -> Candidates:
        return Candidates(
            boxes=self._empty((capacity, 4)),
            scores=self._empty(capacity),
            offsets=self._empty((capacity, 4)),
            images=self._empty(capacity, "int32"),
            count=self._empty(1, "int32"),
            landmarks=self._empty((capacity, 5, 2)) if landmarks else None,
            segments=self._empty(capacity, "int32") if segments else None,
        )

    def _list(self, candidates: Candidates) -> Any:
        """Describe a list to the kernels."""
        return self._module.Candidates(
            boxes=self._view(candidates.boxes),
            scores=self._view(candidates.scores),
            offsets=self._view(candidates.offsets),
            landmarks=self._view(candidates.landmarks),
            images=self._view(candidates.images),
        )
