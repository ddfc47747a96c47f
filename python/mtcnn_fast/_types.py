"""The names of types that several modules share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

Image = npt.NDArray[np.uint8]
"""An image as `mtcnn_fast.images.load_image` returns it: ``(H, W, 3)`` uint8, RGB, C-contiguous."""

Size = tuple[int, int]
"""Width and height in pixels."""

Color = Literal["rgb", "bgr"]
Layout = Literal["hwc", "chw"]
ValueRange = tuple[float, float]

Overlap = Literal["iou", "iomin"]
"""Intersection over union, or over the smaller area."""
