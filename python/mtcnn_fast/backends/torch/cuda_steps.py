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
from mtcnn_fast.backends.torch.staging import Stager
from mtcnn_fast.backends.torch.steps import Candidates, Capacities, CropNetworkName, FacesTensor
from mtcnn_fast.config import Border
from mtcnn_fast.weights import BoxCoding, Weights
from mtcnn_fast.weights.loader import Tensors

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
    """One allocation with the images and the kernels' tables, and what the lists of candidates want."""

    plan: Plan
    memory: Tensor
    #: `_cuda.PNetPlan` where the fused P-Net runs, else `_cuda.ResizePlan`, and its table.
    level_plan: Any
    level_plan_table: Tensor
    image_table: Tensor
    #: For each launch of `proposals` the table of its levels, and its chunks of work.
    level_tables: list[tuple[Tensor, int]]
    #: As `FacesTensor.wanted`.
    wanted: Tensor


class FusedNetworks:
    """The three networks as the kernels take them, on one device.

    Attributes
    ----------
    shared_memory : int
        Bytes that a block may have, by which the kernels choose their tiles.
    pnet : (n,) uint8 Tensor
        Packed weights.
    crop_networks : dict of str to (_cuda.CropNetwork, (n,) uint8 Tensor)
        R-Net and O-Net, and their packed weights.
    """

    def __init__(self, module: ModuleType, device: torch.device, weights: Weights) -> None:
        def upload(packed: bytes) -> Tensor:
            return torch.from_numpy(np.frombuffer(packed, np.uint8).copy()).to(device)

        self.shared_memory: int = module.devices()[device.index or 0]["shared_memory"]
        self.pnet = upload(module.pnet_weights(dict(weights.pnet)))
        self.crop_networks: dict[CropNetworkName, tuple[Any, Tensor]] = {}
        tensors: list[tuple[CropNetworkName, Tensors]] = [("rnet", weights.rnet), ("onet", weights.onet)]
        for name, own in tensors:
            network = module.CropNetwork(name, dict(own), shared_memory=self.shared_memory)
            self.crop_networks[name] = network, upload(network.weights)


class CudaOps:
    """The steps on one CUDA device.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    device : torch.device
    stream : callable
        Returns the handle of the stream to work on.
    coding : {"corner", "rcnn"}
    border : {"zero", "clip"}
    fused : Weights or None
        Of the networks that `scan` and `classify` run. None: they run elsewhere, on what `pyramid` and `crop` return.
    """

    def __init__(
        self,
        module: ModuleType,
        device: torch.device,
        stream: Callable[[], int],
        coding: BoxCoding,
        border: Border,
        fused: Weights | None = None,
    ) -> None:
        self._module, self._device, self._stream = module, device, stream
        self._stager = Stager(device)
        self._rcnn, self._zero_border = coding == "rcnn", border == "zero"
        self._networks = None if fused is None else FusedNetworks(module, device, fused)

    def upload(self, images: Sequence[Image], plan: Plan) -> CudaBatch:
        """Copy images and tables into one allocation on the device."""
        return self._lay_out([np.ascontiguousarray(image) for image in images], plan)

    def adopt(self, images: Sequence[Tensor], plan: Plan) -> CudaBatch:
        """Use images ``(H, W, 3)`` uint8, any strides, that are on the device already."""
        return self._lay_out(list(images), plan)

    def refill(self, batch: CudaBatch, images: Sequence[Image]) -> None:
        """Put other images of the same sizes in the place of those that `upload` brought."""
        content = [np.ascontiguousarray(image).reshape(-1) for image in images]
        self._stager.fill(batch.memory, content, self._places(content)[:-1], in_use=True)

    def _lay_out(self, images: Sequence[Any], plan: Plan) -> CudaBatch:
        module = self._module
        content = [image.reshape(-1) for image in images if isinstance(image, np.ndarray)]
        # Tables hold addresses, which are known only with the allocation; their sizes do not depend on them.
        tables = self._tables(plan, self._entries(images, self._places(content), module.ALIGNMENT))[1]
        *places, total = self._places([*content, *tables])
        memory = self._stager.allocate(total)
        level_plan, tables, chunks = self._tables(plan, self._entries(images, places, memory.data_ptr()))
        self._stager.fill(memory, [*content, *(np.frombuffer(table, np.uint8) for table in tables)], places)
        table_places = places[len(content) :]
        parts = [memory[place : place + len(table)] for table, place in zip(tables, table_places, strict=True)]
        level_tables = list(zip(parts[2:], chunks, strict=True))
        wanted = torch.zeros(module.LISTS, dtype=torch.int32, device=self._device)
        return CudaBatch(plan, memory, level_plan, parts[0], parts[1], level_tables, wanted)

    def _tables(self, plan: Plan, images: Sequence[Any]) -> tuple[Any, list[bytes], list[int]]:
        """Return the plan of the levels, the tables (its own, that of images, those for `propose`) and their chunks."""
        module = self._module
        if self._networks is None:
            shapes = [
                module.LevelShape(image, group.height, group.width) for group in plan.groups for image in group.images
            ]
            resize_plan = module.ResizePlan(images, shapes)
            levels = self._level_tables(plan)
            tables = [resize_plan.table, module.image_table(images), *(table for table, _ in levels)]
            return resize_plan, tables, [chunks for _, chunks in levels]
        levels = []
        for segment, level in enumerate(plan.levels):
            group = plan.groups[level.group]
            scale = float(np.float32(level.scale))
            levels.append(module.PNetLevel(level.image, group.height, group.width, segment, scale))
        pnet_plan = module.PNetPlan(images, levels, shared_memory=self._networks.shared_memory)
        return pnet_plan, [pnet_plan.table, module.image_table(images), pnet_plan.proposal_table], [pnet_plan.chunks]

    def _places(self, content: Sequence[Any]) -> list[int]:
        """Return where each array or table begins in one allocation, aligned, and the size of all."""
        alignment = self._module.ALIGNMENT
        return [0, *np.cumsum([-(-len(part) // alignment) * alignment for part in content], dtype=np.int64).tolist()]

    def _entries(self, images: Sequence[Any], places: Sequence[int], base: int) -> list[Any]:
        entries: list[Any] = []
        # Only arrays have a place in the allocation; tensors stay where they are.
        remaining = iter(places)
        for image in images:
            height, width = image.shape[:2]
            if isinstance(image, np.ndarray):
                entries.append(self._module.Image(base + next(remaining), 3 * width, 3, 1, height, width))
            else:
                entries.append(self._module.Image(image.data_ptr(), *image.stride(), height, width))
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

    def pyramid(self, batch: CudaBatch) -> list[Tensor]:
        """Return each group of the plan as a view of one allocation."""
        packed = self._empty(batch.level_plan.elements)
        table = view(batch.level_plan_table)
        self._module.resize_pyramid(batch.level_plan, table, view(packed), stream=self._stream())
        groups, place = [], 0
        for group in batch.plan.groups:
            shape = (len(group.images), 3, group.height, group.width)
            size = int(np.prod(shape))
            groups.append(packed[place : place + size].view(shape))
            place += size
        return groups

    def scan(self, batch: CudaBatch) -> list[tuple[Tensor, Tensor]]:
        """Run P-Net on all levels from the images, in one launch: its maps for `propose`."""
        assert self._networks is not None
        cells = batch.level_plan.cells
        scores, offsets = self._empty(cells), self._empty(4 * cells)
        arrays = map(view, (batch.level_plan_table, self._networks.pnet, scores, offsets))
        self._module.pnet(batch.level_plan, *arrays, stream=self._stream())
        return [(scores.view(1, 1, cells), offsets.view(1, 4, 1, cells))]

    def propose(
        self, batch: CudaBatch, maps: Sequence[tuple[Tensor, Tensor]], threshold: float, capacity: int
    ) -> Candidates:
        """Turn the cells that reach the threshold into candidates."""
        found = self._allocate(capacity, segments=True)
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
                view(batch.wanted[:1]),
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
        self, batch: CudaBatch, candidates: Candidates, kept: tuple[Tensor, Tensor] | None, capacity: int,
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
            self._arrays(candidates),
            view(indices),
            view(count),
            self._arrays(out),
            view(out_count),
            None if wanted is None else view(batch.wanted[wanted : wanted + 1]),
            regress=regress,
            inclusive=inclusive,
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

    def classify(
        self, batch: CudaBatch, candidates: Candidates, name: CropNetworkName
    ) -> tuple[Candidates, Tensor, Tensor | None]:
        """Run R-Net or O-Net on the candidates from the images, in two launches for a list of usual length."""
        assert self._networks is not None
        network, weights = self._networks.crop_networks[name]
        count = len(candidates.boxes)
        seen = dataclasses.replace(candidates, scores=self._empty(count), offsets=self._empty((count, 4)))
        points = self._empty((count, 10)) if network.has_landmarks else None
        valid = self._empty(count, torch.bool)
        self._module.run_crop_network(
            network,
            *map(view, (weights, batch.image_table, seen.boxes, seen.images, seen.count)),
            *map(view, (seen.scores, seen.offsets, points, valid)),
            view(workspace(network.workspace_size(count), self._module, self._device)),
            zero_border=self._zero_border,
            stream=self._stream(),
        )
        return seen, valid, points

    def filter(
        self, batch: CudaBatch, candidates: Candidates, points: Tensor | None, valid: Tensor, threshold: float,
        capacity: int,
    ) -> Candidates:  # fmt: skip
        """Keep what passes."""
        found = self._allocate(capacity, landmarks=points is not None)
        space = workspace(self._module.filter_workspace_size(len(candidates.boxes)), self._module, self._device)
        self._module.filter_candidates(
            self._arrays(candidates),
            *map(view, (points, valid, candidates.count)),
            threshold,
            self._arrays(found),
            *map(view, (found.count, self._empty(1, torch.int32), space)),
            stream=self._stream(),
        )
        return found

    def pack(self, batch: CudaBatch, candidates: Candidates, capacities: Capacities) -> FacesTensor:
        """Sort into tables."""
        images = len(batch.plan.sizes)
        faces = FacesTensor(
            self._empty((images, capacities.faces, 4)),
            self._empty((images, capacities.faces)),
            self._empty((images, capacities.faces, 5, 2)),
            self._empty(images, torch.int32),
            self._empty(1, torch.int32),
            batch.wanted,
        )
        self._module.pack_faces(
            self._arrays(candidates),
            *map(view, (candidates.count, faces.boxes, faces.scores, faces.landmarks, faces.counts)),
            *map(view, (faces.wanted, faces.overflow)),
            limits=(capacities.proposals, capacities.rnet, capacities.onet),
            stream=self._stream(),
        )
        return faces

    def _empty(self, shape: int | tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self._device)

    def _allocate(self, capacity: int, *, landmarks: bool = False, segments: bool = False) -> Candidates:
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
