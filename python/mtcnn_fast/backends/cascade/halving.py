"""Batches that do not fit a device's memory are run in halves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from mtcnn_fast.errors import BackendError, MtcnnFastError

_LOGGER = logging.getLogger("mtcnn_fast")

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Errors that a smaller batch may not have: memory that torch, cuDNN or cuBLAS did not get, and tensors with more
#: elements than a library or a kernel can count. They are not all classes of their own.
_SIZE_PROBLEMS = (
    "out of memory",
    "allocate memory",
    "ALLOC_FAILED",
    "CUDNN_STATUS",
    "32-bit index",
    "32BitIndex",
    "INT_MAX",
    "too many",
    "too large",
)


def is_about_size(error: BaseException) -> bool:
    """Return whether a smaller batch may work where this error came from."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, (RuntimeError, ValueError)) and any(text in str(error) for text in _SIZE_PROBLEMS)


def run_in_parts(
    items: Sequence[_Item],
    run: Callable[[Sequence[_Item]], list[_Result]],
    *,
    device: str,
    describe: Callable[[_Item], str],
    make_room: Callable[[], None],
) -> list[_Result]:
    """Run a batch, in halves where it does not fit the device's memory, down to single items.

    Parameters
    ----------
    items : sequence
        The batch: images, or images with what belongs to them.
    run : callable
        Returns one result for each item that it gets.
    device : str
        The device's name, for messages.
    describe : callable
        Returns what an item is, such as ``"image of 640x480"``.
    make_room : callable
        Gives memory back that is held for later use.

    Returns
    -------
    list
        One result for each item, in their order.

    Raises
    ------
    BackendError
        If one item alone does not fit.
    """
    if not items:
        return []
    try:
        return run(items)
    except (MemoryError, RuntimeError, ValueError) as error:
        if isinstance(error, MtcnnFastError) or not is_about_size(error):
            raise
        if len(items) == 1:
            raise BackendError(
                f"{device}: the device's memory does not hold one {describe(items[0])}; a larger min_face_size or "
                f"another device needs less ({error})"
            ) from error
    # Outside the handler: the error's traceback holds the tensors of the run that failed.
    make_room()
    _LOGGER.info("%s: out of memory with %d images, trying halves", device, len(items))
    half = len(items) // 2
    parts = (items[:half], items[half:])
    return [
        result
        for part in parts
        for result in run_in_parts(part, run, device=device, describe=describe, make_room=make_room)
    ]
