"""The kernels as functions of numpy arrays, on the emulated device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from support.cuda_device import VARIANT, DeviceArray, ModuleDevice


class Picture(NamedTuple):
    """An image in device memory: the array that holds it, and its entry in the kernels' tables."""

    memory: DeviceArray
    entry: Any  # `_cuda.Image`


def upload_image(
    device: ModuleDevice, image: np.ndarray, layout: str = "hwc", pitch: int = 0, shift: int = 0
) -> Picture:
    """Upload ``(H, W, 3)`` as HWC or CHW, rows `pitch` bytes longer than needed, `shift` bytes into the memory."""
    height, width = image.shape[:2]
    rows = image.reshape(height, -1) if layout == "hwc" else image.transpose(2, 0, 1).reshape(3 * height, width)
    padded = np.full((len(rows), rows.shape[1] + pitch), 255, np.uint8)
    padded[:, : rows.shape[1]] = rows
    memory = device.array(np.concatenate([np.full(shift, 255, np.uint8), padded.ravel()]))
    stride = padded.shape[1]
    pixel, channel = (3, 1) if layout == "hwc" else (1, stride * height)
    entry = device.module.Image(memory.pointer + shift, stride, pixel, channel, height, width)
    return Picture(memory, entry)


def resize(
    device: ModuleDevice, pictures: Sequence[Picture], levels: Sequence[tuple[int, int, int]], dtype: type = np.float32
) -> list[np.ndarray]:
    """Return each level ``(image, height, width)`` as ``(3, height, width)``."""
    shapes = [device.module.LevelShape(*level) for level in levels]
    plan = device.module.ResizePlan([picture.entry for picture in pictures], shapes)
    out = device.empty(plan.elements, dtype)
    device.module.resize_pyramid(plan, device.bytes(plan.table), out, stream=0)
    content = out.numpy()
    return [
        content[offset : offset + 3 * height * width].reshape(3, height, width)
        for offset, (_, height, width) in zip(plan.offsets, levels, strict=True)
    ]


def crop(
    device: ModuleDevice,
    pictures: Sequence[Picture],
    boxes: np.ndarray,
    index: np.ndarray,
    size: int,
    border: str,
    dtype: type = np.float32,
    count: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    out, valid = device.empty((len(boxes), 3, size, size), dtype), device.empty(len(boxes), np.bool_)
    device.module.crop_pad_resize(
        device.bytes(device.module.image_table([picture.entry for picture in pictures])),
        device.array(boxes, np.float32),
        device.array(index, np.int32),
        None if count is None else device.array([count], np.int32),
        out,
        valid,
        zero_border=border == "zero",
        stream=0,
    )
    return out.numpy(), valid.numpy()


def nms(
    device: ModuleDevice,
    boxes: np.ndarray,
    scores: np.ndarray,
    segments: np.ndarray | None,
    threshold: float,
    mode: str = "iou",
    segment_count: int = 1,
    count: int | None = None,
    workspace_size: int | None = None,
) -> np.ndarray:
    kept, kept_count = device.empty(len(boxes), np.int64), device.empty(1, np.int32)
    module = device.module
    size = workspace_size or module.batched_nms_workspace_size(len(boxes), segment_count)
    workspace = device.empty(size, np.uint8)
    module.batched_nms(
        device.array(boxes, np.float32),
        device.array(scores, np.float32),
        None if segments is None else device.array(segments, np.int32),
        segment_count,
        None if count is None else device.array([count], np.int32),
        threshold,
        mode == "iomin",
        kept,
        kept_count,
        workspace,
        stream=0,
    )
    return kept.numpy()[: kept_count.numpy()[0]]


class PNetRun(NamedTuple):
    """What P-Net leaves of a list of levels."""

    #: Of each level scores ``(rows, columns)`` and offsets ``(4, rows, columns)``.
    levels: list[tuple[np.ndarray, np.ndarray]]
    #: With a filter, of each level which parts of 8 x 8 cells it takes; beyond the level there may be more.
    wanted: list[np.ndarray]


def run_pnet(
    device: ModuleDevice,
    weights: Mapping[str, np.ndarray],
    pictures: Sequence[Picture],
    levels: Sequence[tuple[int, int, int]],
    shared_memory: int = 99 * 1024,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return scores ``(rows, columns)`` and offsets ``(4, rows, columns)`` of each level ``(image, height, width)``."""
    return _run_pnet(device, weights, pictures, levels, shared_memory, None).levels


def run_filtered_pnet(
    device: ModuleDevice,
    weights: Mapping[str, np.ndarray],
    pictures: Sequence[Picture],
    levels: Sequence[tuple[int, int, int]],
    limit: float,
    shared_memory: int = 99 * 1024,
) -> PNetRun:
    """Run the filter, and P-Net where it lets it; offsets are -1 where nothing was written."""
    return _run_pnet(device, weights, pictures, levels, shared_memory, limit)


def _run_pnet(
    device: ModuleDevice,
    weights: Mapping[str, np.ndarray],
    pictures: Sequence[Picture],
    levels: Sequence[tuple[int, int, int]],
    shared_memory: int,
    limit: float | None,
) -> PNetRun:
    module = device.module
    shapes = [module.PNetLevel(*level, segment=i, scale=1.0) for i, level in enumerate(levels)]
    if VARIANT == "gpu":
        shared_memory = min(shared_memory, module.devices()[0]["shared_memory"])
    plan = module.PNetPlan([picture.entry for picture in pictures], shapes, shared_memory=shared_memory)
    scores, offsets = device.empty(plan.cells, np.float32), device.array(np.full(4 * plan.cells, -1, np.float32))
    packed = device.bytes(module.pnet_weights(dict(weights)))
    arguments = (plan, device.bytes(plan.table), packed, scores, offsets)
    parts = np.empty(0, np.uint8)
    if limit is None:
        module.pnet(*arguments, stream=0)
    else:
        wanted = device.empty(plan.parts, np.uint8)
        filter_weights = device.bytes(module.pnet_filter_weights(dict(weights)))
        module.pnet_filtered(*arguments, filter_weights, limit, wanted, stream=0)
        parts = wanted.numpy().astype(bool)
    found, taken, first, tile = [], [], 0, 0
    for _, height, width in levels:
        rows, columns = (height - 1) // 2 - 4, (width - 1) // 2 - 4
        last = first + rows * columns
        mine = offsets.numpy()[4 * first : 4 * last]
        found.append((scores.numpy()[first:last].reshape(rows, columns), mine.reshape(4, rows, columns)))
        first = last
        if limit is not None:
            down, across = -(-rows // plan.tile[1]), -(-columns // plan.tile[0])
            shape = (down, across, plan.tile[1] // 8, plan.tile[0] // 8)
            own = parts[tile * shape[2] * shape[3] :][: int(np.prod(shape))].reshape(shape)
            taken.append(own.transpose(0, 2, 1, 3).reshape(down * shape[2], across * shape[3]))
            tile += down * across
    assert first == plan.cells
    return PNetRun(found, taken)


def run_crop_network(
    device: ModuleDevice,
    name: str,
    tensors: Mapping[str, np.ndarray],
    pictures: Sequence[Picture],
    boxes: np.ndarray,
    index: np.ndarray,
    *,
    border: str = "zero",
    count: int | None = None,
    shared_memory: int = 99 * 1024,
    workspace_size: int | None = None,
    landmarks: bool | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return a network's scores, offsets and, for ``onet`` or with `landmarks`, points, and which boxes are valid."""
    module, length = device.module, len(boxes)
    if VARIANT == "gpu":
        shared_memory = min(shared_memory, module.devices()[0]["shared_memory"])
    network = module.CropNetwork(name, dict(tensors), shared_memory=shared_memory)
    scores, offsets = device.empty(length, np.float32), device.empty((length, 4), np.float32)
    points = None
    if network.has_landmarks if landmarks is None else landmarks:
        points = device.empty((length, 10), np.float32)
    valid = device.empty(length, np.bool_)
    module.run_crop_network(
        network,
        device.bytes(network.weights),
        device.bytes(module.image_table([picture.entry for picture in pictures])),
        device.array(boxes, np.float32),
        device.array(index, np.int32),
        None if count is None else device.array([count], np.int32),
        scores,
        offsets,
        points,
        valid,
        device.empty(workspace_size or max(network.workspace_size(length), 1), np.uint8),
        zero_border=border == "zero",
        stream=0,
    )
    return [array.numpy() for array in (scores, offsets, points) if array is not None], valid.numpy()


class Proposals(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    offsets: np.ndarray
    segments: np.ndarray
    images: np.ndarray
    selected: int


def propose(
    device: ModuleDevice,
    maps: Sequence[tuple[np.ndarray, np.ndarray]],
    levels: Sequence[tuple[int, int, int, int, int, int, float]],
    threshold: float,
    capacity: int,
) -> Proposals:
    """Take the cells above a threshold, from `MAX_MAPS` maps a launch."""
    module = device.module
    out = [
        device.empty((capacity, 4), np.float32),
        device.empty(capacity, np.float32),
        device.empty((capacity, 4), np.float32),
        device.empty(capacity, np.int32),
        device.empty(capacity, np.int32),
    ]
    count, selected = device.empty(1, np.int32), device.empty(1, np.int32)
    held = [module.ProposalMap(*(device.array(part, np.float32) for part in pair)) for pair in maps]
    for first in range(0, max(len(held), 1), module.MAX_MAPS):
        mine = [(level[0] - first, *level[1:]) for level in levels if 0 <= level[0] - first < module.MAX_MAPS]
        table = module.ProposalTable([module.ProposalLevel(*level) for level in mine])
        workspace = device.empty(module.proposals_workspace_size(table.chunks), np.uint8)
        module.proposals(
            held[first : first + module.MAX_MAPS],
            *(device.bytes(table.table), table.chunks, threshold, *out, count, selected, workspace),
            append=first > 0,
            stream=0,
        )
    used = count.numpy()[0]
    return Proposals(*(array.numpy()[:used] for array in out), selected=int(selected.numpy()[0]))


class Candidates(NamedTuple):
    """A list of candidates, on the host (numpy) or on the device (`DeviceArray`)."""

    boxes: Any
    scores: Any
    offsets: Any
    landmarks: Any
    images: Any


def _upload(device: ModuleDevice, candidates: Candidates) -> Candidates:
    dtypes = (np.float32, np.float32, np.float32, np.float32, np.int32)
    return Candidates(*(device.array(array, dtype) for array, dtype in zip(candidates, dtypes, strict=True)))


def _empty(device: ModuleDevice, capacity: int) -> Candidates:
    return Candidates(
        device.empty((capacity, 4), np.float32),
        device.empty(capacity, np.float32),
        device.empty((capacity, 4), np.float32),
        device.empty((capacity, 5, 2), np.float32),
        device.empty(capacity, np.int32),
    )


def filter_candidates(
    device: ModuleDevice,
    candidates: Candidates,
    points: np.ndarray | None,
    valid: np.ndarray,
    threshold: float,
    capacity: int,
    count: int | None = None,
) -> tuple[Candidates, int]:
    """Return the candidates that fit the capacity, and how many passed."""
    out, out_count, selected = _empty(device, capacity), device.empty(1, np.int32), device.empty(1, np.int32)
    workspace = device.empty(device.module.filter_workspace_size(len(valid)), np.uint8)
    device.module.filter_candidates(
        device.module.Candidates(*_upload(device, candidates)),
        None if points is None else device.array(points, np.float32),
        device.array(valid, np.bool_),
        None if count is None else device.array([count], np.int32),
        threshold,
        device.module.Candidates(*out),
        out_count,
        selected,
        workspace,
        stream=0,
    )
    used = out_count.numpy()[0]
    return Candidates(*(array.numpy()[:used] for array in out)), int(selected.numpy()[0])


def gather_candidates(
    device: ModuleDevice,
    candidates: Candidates,
    kept: np.ndarray | None,
    regress: bool = False,
    inclusive: bool = False,
    coding: str = "corner",
    square: bool = False,
    capacity: int | None = None,
) -> Candidates:
    """Take the candidates `kept`; without it, work on all of them in place."""
    held = _upload(device, candidates)
    number = len(candidates.boxes) if kept is None else len(kept)
    out = held if kept is None else _empty(device, number if capacity is None else capacity)
    counts = [device.empty(1, np.int32) for _ in range(2)]
    device.module.gather_candidates(
        device.module.Candidates(*held),
        None if kept is None else device.array(kept, np.int64),
        device.array([number], np.int32),
        device.module.Candidates(*out),
        *counts,
        regress=regress,
        inclusive=inclusive,
        rcnn_coding=coding == "rcnn",
        square=square,
        stream=0,
    )
    assert [int(count.numpy()[0]) for count in counts] == [min(number, len(out.boxes.numpy())), number]
    return Candidates(*(array.numpy() for array in out))


class Packed(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
    counts: np.ndarray
    wanted: list[int]
    overflow: int


def pack_faces(
    device: ModuleDevice,
    candidates: Candidates,
    images: int,
    faces: int,
    wanted: Sequence[int] = (0, 0, 0),
    limits: tuple[int, int, int] = (0, 0, 0),
) -> Packed:
    """Pad to `faces` an image; `wanted` and `limits` are those of the lists before."""
    out = [
        device.empty((images, faces, 4), np.float32),
        device.empty((images, faces), np.float32),
        device.empty((images, faces, 5, 2), np.float32),
        device.empty(images, np.int32),
    ]
    lists, overflow = device.array([*wanted, -1], np.int32), device.empty(1, np.int32)
    count = device.array([len(candidates.boxes)], np.int32)
    held = device.module.Candidates(*_upload(device, candidates))
    device.module.pack_faces(held, count, *out, lists, overflow, limits=limits, stream=0)
    return Packed(*(array.numpy() for array in out), lists.numpy().tolist(), int(overflow.numpy()[0]))
