"""Images that lie on the device: tensors of torch, and arrays of other libraries, as the kernels' tables take them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mtcnn_fast.errors import ImageError


def imported_torch() -> Any:
    """Return the module torch if somebody has imported it to the end, else None."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "Tensor") and hasattr(torch, "cuda") else None


def torch_of(images: Any) -> Any:
    """Return the module torch if one of the images is a tensor of it, else None. Nothing is imported."""
    torch = imported_torch()
    if torch is None:
        return None
    given = images if isinstance(images, (list, tuple)) else [images]
    return torch if any(isinstance(image, torch.Tensor) for image in given) else None


def describe_images(module: ModuleType, images: Any, index: int, stream: int) -> tuple[list[Any], list[Any]]:
    """Describe images to the kernels, whose stream waits for what writes them.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    images : (B, H, W, 3) or (B, 3, H, W) uint8 array, or sequence of (H, W, 3) or (3, H, W)
        Tensors of torch, or any arrays with DLPack or ``__cuda_array_interface__``, on the device.
    index : int
        The device's number.
    stream : int
        Handle of the stream that the kernels will run on.

    Returns
    -------
    entries : list of _cuda.Image
    holders : list
        What keeps the memory from going.

    Raises
    ------
    ImageError
        If an image has another type, shape or device.
    """
    whole = not isinstance(images, (list, tuple))
    entries, holders = [], []
    for array in [images] if whole else images:
        address, shape, strides, holder = _read(module, array, index, stream)
        holders.append(holder)
        # A batch is its images, `step` bytes apart.
        if len(shape) != (4 if whole else 3):
            raise ImageError(f"{_accepted(index)}, or one batch of them, got {shape} uint8")
        count, step = (shape[0], strides[0]) if whole else (1, 0)
        height, width, *places = _layout(shape[-3:], strides[-3:], index)
        entries += [module.Image(address + step * i, *places, height, width) for i in range(count)]
    return entries, holders


def _accepted(index: int) -> str:
    return f"images must be (H, W, 3) or (3, H, W) uint8 tensors on cuda:{index}"


def _read(module: ModuleType, array: Any, index: int, stream: int) -> tuple[int, tuple[int, ...], tuple[int, ...], Any]:
    """Return an array's address, its shape, its strides in bytes, and what holds its memory."""
    torch = imported_torch()
    if torch is not None and isinstance(array, torch.Tensor):
        if array.dtype != torch.uint8:
            raise ImageError(f"{_accepted(index)}, got {tuple(array.shape)} {array.dtype}")
        if (array.device.type, array.device.index) != ("cuda", index):
            raise ImageError(f"{_accepted(index)}, got one on {array.device}")
        return array.data_ptr(), tuple(array.shape), tuple(array.stride()), array
    try:
        found = module.ForeignArray("images", array, stream=stream)
    except (TypeError, ValueError) as error:
        raise ImageError(f"{_accepted(index)}: {error}") from error
    if found.dtype != "uint8":
        raise ImageError(f"{_accepted(index)}, got {found.shape} {found.dtype}")
    if found.device != index and 0 not in found.shape:
        raise ImageError(f"{_accepted(index)}, got one on cuda:{found.device}")
    return found.address, found.shape, found.strides, found


def _layout(shape: Sequence[int], strides: Sequence[int], index: int) -> tuple[int, int, int, int, int]:
    """Return height and width of an image, and the strides of its rows, pixels and channels."""
    if 3 not in (shape[0], shape[2]):
        raise ImageError(f"{_accepted(index)}, got {tuple(shape)} uint8")
    if 0 in shape:
        raise ImageError(f"{_accepted(index)} with at least one pixel, got {tuple(shape)}")
    rows, columns, channels = (0, 1, 2) if shape[2] == 3 else (1, 2, 0)
    return shape[rows], shape[columns], strides[rows], strides[columns], strides[channels]
