"""The operations of `mtcnn_fast.ops` on tensors, registered with torch once: ``torch.ops.mtcnn_fast``.

On the CPU they are those on arrays; on CUDA they are the kernels of `mtcnn_fast._cuda`. As operators of torch they can
be traced, exported and compiled around.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._native import checked_threads
from mtcnn_fast._types import Overlap
from mtcnn_fast.backends import host
from mtcnn_fast.backends.cuda.devices import cuda_module
from mtcnn_fast.backends.torch.tensors import view, workspace
from mtcnn_fast.checks.arrays import Array, shape_text
from mtcnn_fast.config import Border
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, ImageError

#: Torch gives these parts of itself no types.
_TORCH: Any = torch

_BOXES = Array((None, 4), finite=False, frozen=False)

_SCHEMAS = (
    "resize_pyramid(Tensor image, int[] heights, int[] widths, int num_threads) -> Tensor[]",
    "crop_pad_resize(Tensor image, Tensor boxes, int size, bool zero_border, int num_threads) -> (Tensor, Tensor)",
    "batched_nms(Tensor boxes, Tensor scores, Tensor segments, float threshold, bool iomin) -> Tensor",
)


class CpuFunctions:
    """The operators on CPU tensors."""

    def resize_pyramid(self, image: Tensor, heights: list[int], widths: list[int], num_threads: int) -> list[Tensor]:
        """Resize an image to several sizes."""
        sizes = list(zip(heights, widths, strict=True))
        return [torch.from_numpy(level) for level in host.resize_to_sizes(_pixels(image), sizes, num_threads)]

    def crop_pad_resize(
        self, image: Tensor, boxes: Tensor, size: int, zero_border: bool, num_threads: int
    ) -> tuple[Tensor, Tensor]:
        """Cut boxes out of an image."""
        border: Border = "zero" if zero_border else "clip"
        corners = _BOXES("boxes", boxes.numpy())
        crops, valid = host.crop_pad_resize(_pixels(image), corners, size, border, num_threads)
        return torch.from_numpy(crops), torch.from_numpy(valid)

    def batched_nms(self, boxes: Tensor, scores: Tensor, segments: Tensor, threshold: float, iomin: bool) -> Tensor:
        """Suppress boxes within segments."""
        mode: Overlap = "iomin" if iomin else "iou"
        corners = _BOXES("boxes", boxes.numpy())
        values = _scores(len(corners))("scores", scores.numpy())
        groups = _segments(len(corners))("segments", segments.numpy())
        return torch.from_numpy(host.batched_nms(corners, values, groups, threshold, mode))


class CudaFunctions:
    """The operators on CUDA tensors. Only `batched_nms` waits for the device: its result has as many rows as are kept.

    Parameters
    ----------
    module : callable
        Returns ``mtcnn_fast._cuda``.
    stream : callable
        Returns the handle of the stream to work on, for a device.
    """

    def __init__(self, module: Callable[[], ModuleType], stream: Callable[[torch.device], int]) -> None:
        self._module, self._stream = module, stream

    def resize_pyramid(self, image: Tensor, heights: list[int], widths: list[int], num_threads: int) -> list[Tensor]:
        """Resize an image to several sizes by one launch."""
        module = self._module()
        sizes = list(zip(heights, widths, strict=True))
        plan = module.ResizePlan([_entry(module, image)], [module.LevelShape(0, *size) for size in sizes])
        packed = torch.empty(plan.elements, dtype=torch.float32, device=image.device)
        table = _upload(plan.table, image.device)
        module.resize_pyramid(plan, view(table), view(packed), stream=self._stream(image.device))
        parts = torch.split(packed, [3 * height * width for height, width in sizes])
        # An operator's results may not share memory.
        return [part.view(3, *size).clone() for part, size in zip(parts, sizes, strict=True)]

    def crop_pad_resize(
        self, image: Tensor, boxes: Tensor, size: int, zero_border: bool, num_threads: int
    ) -> tuple[Tensor, Tensor]:
        """Cut boxes out of an image by one launch."""
        module, count, device = self._module(), len(boxes), image.device
        crops = torch.empty(count, 3, size, size, dtype=torch.float32, device=device)
        valid = torch.empty(count, dtype=torch.bool, device=device)
        index = torch.zeros(count, dtype=torch.int32, device=device)
        table = _upload(module.image_table([_entry(module, image)]), device)
        module.crop_pad_resize(
            *map(view, (table, boxes.contiguous(), index)),
            None,
            *map(view, (crops, valid)),
            zero_border=zero_border,
            stream=self._stream(device),
        )
        return crops, valid

    def batched_nms(self, boxes: Tensor, scores: Tensor, segments: Tensor, threshold: float, iomin: bool) -> Tensor:
        """Suppress boxes within segments."""
        module, device, count = self._module(), boxes.device, len(boxes)
        kept = torch.empty(count, dtype=torch.int64, device=device)
        kept_count = torch.empty(1, dtype=torch.int32, device=device)
        # The kernels count segments from 0.
        names, places = torch.unique(segments, return_inverse=True)
        space = workspace(module.batched_nms_workspace_size(count, len(names)), module.ALIGNMENT, device)
        module.batched_nms(
            *map(view, (boxes.contiguous(), scores.contiguous(), places.to(torch.int32))),
            max(len(names), 1),
            None,
            threshold,
            iomin,
            *map(view, (kept, kept_count, space)),
            stream=self._stream(device),
        )
        return kept[: int(kept_count)]


def _required_module() -> ModuleType:
    module, problem = cuda_module()
    if module is None:
        raise BackendUnavailableError(f"operations on CUDA tensors are not available: {problem}")
    return module


class _Shapes:
    """What the operators return, without computing it."""

    def resize_pyramid(self, image: Tensor, heights: list[int], widths: list[int], num_threads: int) -> list[Tensor]:
        return [
            image.new_empty(3, height, width, dtype=torch.float32)
            for height, width in zip(heights, widths, strict=True)
        ]

    def crop_pad_resize(
        self, image: Tensor, boxes: Tensor, size: int, zero_border: bool, num_threads: int
    ) -> tuple[Tensor, Tensor]:
        # Not len(boxes): that makes a constant of it, and each other number of boxes compile anew.
        count = boxes.shape[0]
        return boxes.new_empty(count, 3, size, size), boxes.new_empty(count, dtype=torch.bool)

    def batched_nms(self, boxes: Tensor, scores: Tensor, segments: Tensor, threshold: float, iomin: bool) -> Tensor:
        return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def operators() -> Any:
    """Register the operators when first called, and return ``torch.ops.mtcnn_fast``."""
    if not _LIBRARIES:
        # Torch refuses a second registration: of several first calls at once, one registers and the others wait.
        with _REGISTRATION:
            if not _LIBRARIES:
                _register()
    return torch.ops.mtcnn_fast


def _register() -> None:
    library = _TORCH.library.Library("mtcnn_fast", "DEF")
    cuda = CudaFunctions(_required_module, lambda device: int(torch.cuda.current_stream(device).cuda_stream))
    for schema in _SCHEMAS:
        name = library.define(schema)
        library.impl(name, getattr(CpuFunctions(), name), "CPU")
        library.impl(name, getattr(cuda, name), "CUDA")
        torch.library.register_fake(f"mtcnn_fast::{name}", getattr(_Shapes(), name), lib=library)
    _LIBRARIES.append(library)


#: Torch forgets what a library registered when nothing holds it.
_LIBRARIES: list[Any] = []
_REGISTRATION = threading.Lock()
if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock when this process was forked.
    os.register_at_fork(after_in_child=lambda: globals().update(_REGISTRATION=threading.Lock()))


def resize_pyramid(image: object, scales: Iterable[float], num_threads: int | None) -> list[Tensor]:
    """`mtcnn_fast.ops.resize_pyramid` on tensors."""
    pixels = _checked_image(image)
    sizes = [host.level_size(pixels.shape[0], pixels.shape[1], scale) for scale in scales]
    heights, widths = [size[0] for size in sizes], [size[1] for size in sizes]
    return cast("list[Tensor]", operators().resize_pyramid(pixels, heights, widths, checked_threads(num_threads)))


def crop_pad_resize(
    image: object, boxes: object, size: int, border: Border, num_threads: int | None
) -> tuple[Tensor, Tensor]:
    """`mtcnn_fast.ops.crop_pad_resize` on tensors."""
    pixels = _checked_image(image)
    corners = _checked_floats("boxes", boxes, _BOXES, pixels.device)
    threads = checked_threads(num_threads)
    result = operators().crop_pad_resize(pixels, corners, size, border == "zero", threads)
    return cast("tuple[Tensor, Tensor]", result)


def batched_nms(boxes: object, scores: object, segments: object, threshold: float, mode: Overlap) -> Tensor:
    """`mtcnn_fast.ops.batched_nms` on tensors."""
    corners = _checked_floats("boxes", boxes, _BOXES, None)
    count = len(corners)
    values = _checked_floats("scores", scores, _scores(count), corners.device)
    groups = _tensor("segments", segments)
    if groups.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise ConfigError(f"segments must be {_segments(count).accepted}, got {groups.dtype}")
    _check_place("segments", groups, _segments(count), corners.device)
    return cast("Tensor", operators().batched_nms(corners, values, groups, threshold, mode == "iomin"))


def _scores(count: int) -> Array:
    return Array((count,), finite=False, frozen=False)


def _segments(count: int) -> Array:
    return Array((count,), np.int64, frozen=False)


def _pixels(image: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.ascontiguousarray(image.numpy())


def _entry(module: ModuleType, image: Tensor) -> Any:
    """Describe an image ``(H, W, 3)`` of any strides to the kernels."""
    return module.Image(image.data_ptr(), *image.stride(), *image.shape[:2])


def _upload(content: bytes, device: torch.device) -> Tensor:
    """Copy a table to the device, without waiting for it."""
    staging = torch.empty(len(content), dtype=torch.uint8, device="cpu", pin_memory=device.type == "cuda")
    staging.numpy()[:] = np.frombuffer(content, np.uint8)
    return staging.to(device, non_blocking=True)


def _tensor(name: str, value: object) -> Tensor:
    """Return a tensor over the same memory as any array on a device."""
    if isinstance(value, Tensor):
        return value
    try:
        # By DLPack the producer learns the stream. Torch ignores the stream that `__cuda_array_interface__` names.
        if hasattr(value, "__dlpack__"):
            return cast("Tensor", _TORCH.from_dlpack(value))
        if hasattr(value, "__cuda_array_interface__"):
            return _adopted(value)
        return torch.from_numpy(np.array(value))
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ConfigError(f"{name} must be a tensor or array, got {type(value).__name__}: {error}") from error


def _adopted(value: Any) -> Tensor:
    """Return a tensor over CUDA memory that is known by its ``__cuda_array_interface__`` alone."""
    # No device is named, so that the memory stays where it is; a default device of the caller would move it.
    with _TORCH._C.DisableTorchFunction():
        tensor = torch.as_tensor(value)
    # What the producer has queued on the stream that it names comes first.
    stream = int(_TORCH.cuda.current_stream(tensor.device).cuda_stream)
    _required_module().order_after(value, stream=stream)
    return tensor


def _checked_image(value: object) -> Tensor:
    accepted = "image must be a (H, W, 3) uint8 tensor with at least one pixel"
    image = _tensor("image", value)
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.numel() == 0:
        raise ImageError(f"{accepted}, got {tuple(image.shape)} {image.dtype}")
    return image


def _checked_floats(name: str, value: object, check: Array, device: torch.device | None) -> Tensor:
    numbers = _tensor(name, value)
    if numbers.is_complex() or numbers.dtype == torch.bool:
        raise ConfigError(f"{name} must be {check.accepted}, got {numbers.dtype}")
    _check_place(name, numbers, check, device)
    return numbers.detach().to(torch.float32)


def _check_place(name: str, tensor: Tensor, check: Array, device: torch.device | None) -> None:
    if not check.fits(tuple(tensor.shape)):
        raise ConfigError(f"{name} must be {check.accepted}, got shape {shape_text(tuple(tensor.shape))}")
    if device is not None and tensor.device != device:
        raise ConfigError(f"{name} must be on {device} like the argument before, got one on {tensor.device}")
