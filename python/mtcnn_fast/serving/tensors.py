"""Tensors of the inference protocol: pictures out of them, faces into them."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import numpy as np

from mtcnn_fast._types import Image
from mtcnn_fast.faces import Faces
from mtcnn_fast.serving.problems import ProblemError
from mtcnn_fast.serving.schemas import RequestInput, ResponseOutput

#: Data types and shapes of the one input, ``image``.
INPUTS = (("BYTES", [-1]), ("UINT8", [-1, -1, -1, 3]))

#: Name, data type and shape of each output. Faces of all images follow each other; `image` says whose each is.
OUTPUTS = {
    "boxes": ("FP32", [-1, 4]),
    "scores": ("FP32", [-1]),
    "landmarks": ("FP32", [-1, 5, 2]),
    "image": ("INT32", [-1]),
}


def pictures_of(tensor: RequestInput, most: int) -> list[bytes | Image]:
    """Return the pictures in a tensor: image files, or pixels.

    Parameters
    ----------
    tensor : RequestInput
        BYTES ``[N]`` with image files in base64, or UINT8 ``[H, W, 3]`` or ``[N, H, W, 3]`` with RGB, nested or flat.
    most : int
        Images that are accepted.

    Raises
    ------
    ProblemError
        400, if the tensor has another form.
    """
    if tensor.name != "image":
        raise ProblemError(400, "unknown-input", f"There is no input {tensor.name!r:.100}; there is 'image'.")
    count = tensor.shape[0] if tensor.datatype == "BYTES" or len(tensor.shape) == 4 else 1
    if count > most:
        raise ProblemError(413, "too-many-images", f"A request has {most} images at most, got {count}.")
    return [*_files(tensor)] if tensor.datatype == "BYTES" else [*_pixels(tensor)]


def _files(tensor: RequestInput) -> list[bytes]:
    if tensor.shape != [len(tensor.data)] or not all(isinstance(item, str) for item in tensor.data):
        raise ProblemError(
            400, "invalid-tensor", "BYTES must have shape [N], and data N texts, each an image file in base64."
        )
    try:
        return [base64.b64decode(item, validate=True) for item in tensor.data]
    except (binascii.Error, ValueError) as error:
        raise ProblemError(400, "invalid-tensor", f"data must be base64 ({error}).") from error


def _pixels(tensor: RequestInput) -> list[Image]:
    shape = tensor.shape
    if len(shape) not in (3, 4) or shape[-1] != 3 or min(shape) < 1:
        raise ProblemError(400, "invalid-tensor", f"UINT8 must have shape [H, W, 3] or [N, H, W, 3], got {shape}.")
    try:
        values = np.asarray(tensor.data)
    except ValueError as error:
        raise ProblemError(400, "invalid-tensor", "data must be numbers, nested as shape says or flat.") from error
    if values.dtype.kind not in "iu" or values.size != math.prod(shape) or values.min() < 0 or values.max() > 255:
        raise ProblemError(
            400, "invalid-tensor", f"data must be {math.prod(shape):,} whole numbers from 0 to 255, nested or flat."
        )
    return list(values.astype(np.uint8).reshape(shape if len(shape) == 4 else (1, *shape)))


def outputs_of(found: list[Faces], names: list[str]) -> list[ResponseOutput]:
    """Return the tensors of some names, with the faces of all pictures."""
    counts = [len(faces) for faces in found]
    arrays: dict[str, Any] = {
        "boxes": np.concatenate([faces.boxes for faces in found]),
        "scores": np.concatenate([faces.scores for faces in found]),
        "landmarks": np.concatenate([faces.landmarks for faces in found]),
        "image": np.repeat(np.arange(len(found)), counts),
    }
    return [
        ResponseOutput(
            name=name, shape=list(arrays[name].shape), datatype=OUTPUTS[name][0], data=arrays[name].ravel().tolist()
        )
        for name in names
    ]
