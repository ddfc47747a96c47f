"""What a window of an image shows, and what a network should say of a face in it.

Targets are the exact inverse of the detector's decoding (``docs/semantics.md``, sections 2 to 4): a network that puts
out a sample's targets makes the detector return the annotated box and points. A window is given by the corners that
`mtcnn_fast.ops.crop_pad_resize` takes, ``x1, y1, x2, y2`` in pixels counted from 1, both ends included.

R-Net and O-Net decode from the window itself, with ``x2 - x1 + 1`` as its width. P-Net decodes from the box of a cell,
which begins a twelfth of the window further right and down: for a window of ``W`` pixels from ``left`` (counted from 0)
section 2 gives ``x1 = floor(left + W / 12)``, ``x2 = left + W``, with the width ``x2 - x1``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles
from mtcnn_fast.config import CELL

Stage = Literal["p", "r", "o"]
STAGES: tuple[Stage, ...] = ("p", "r", "o")

#: Side in pixels of what each network sees.
SIZES: dict[Stage, int] = {"p": CELL, "r": 24, "o": 48}

#: What the decoding of each stage adds to widths.
EXTRA: dict[Stage, int] = {"p": 0, "r": 1, "o": 1}


def extents(corners: npt.NDArray[np.float32]) -> Doubles:
    """Return the area ``(N, 4)`` that windows ``(N, 4)`` show once their corners are truncated.

    Counted from 0 and as edges of pixels, as the annotations count, so that overlaps with annotated boxes are exact.
    """
    return np.trunc(corners.astype(np.float64)) - [1, 1, 0, 0]


def decoded_from(stage: Stage, corners: npt.NDArray[np.float32]) -> Doubles:
    """Return the boxes ``(N, 4)`` from which a stage decodes its output for windows ``(N, 4)``."""
    boxes = corners.astype(np.float64)
    if stage == "p":
        left = boxes[:, :2] - 1
        boxes[:, :2] = np.floor(left + (boxes[:, 2:] - left) / CELL)
    return boxes


def box_targets(stage: Stage, corners: npt.NDArray[np.float32], faces: Doubles) -> npt.NDArray[np.float32]:
    """Return the corner offsets ``(N, 4)`` that decode to `faces` (N, 4), each from its window."""
    boxes = decoded_from(stage, corners)
    size = boxes[:, 2:] - boxes[:, :2] + EXTRA[stage]
    offsets = (faces - boxes) / np.concatenate([size, size], axis=1)
    return np.asarray(offsets, np.float32)


def landmark_targets(stage: Stage, corners: npt.NDArray[np.float32], points: Doubles) -> npt.NDArray[np.float32]:
    """Return the points ``(N, 5, 2)`` relative to windows ``(N, 4)``.

    O-Net's decode to `points`. No detector decodes those of P-Net and R-Net; they are relative to what the window
    shows (P-Net) or as O-Net's (R-Net).
    """
    window = corners.astype(np.float64)
    size = window[:, 2:] - window[:, :2] + 1
    # P-Net's corners count from 1; section 4 subtracts 1 from the sum, which comes to the same.
    return np.asarray((points + 1 - window[:, None, :2]) / size[:, None], np.float32)


def mirrors(stage: Stage, corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return `Batch.mirror` ``(N,)`` of windows ``(N, 4)``.

    A face's edge ``e`` in the image mirrored about the middle ``m`` of what the window shows is ``2m - e``. Put into
    the offsets from the box ``x1, x2`` of width ``w`` that is decoded from, ``d1' = (2m - x1 - x2) / w - d2``.
    """
    shown, boxes = extents(corners), decoded_from(stage, corners)
    width = boxes[:, 2] - boxes[:, 0] + EXTRA[stage]
    both = shown[:, 0] + shown[:, 2] - boxes[:, 0] - boxes[:, 2]
    return np.asarray(both / width, np.float32)
