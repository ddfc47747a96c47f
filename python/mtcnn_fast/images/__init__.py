"""Every accepted kind of image becomes ``(H, W, 3)`` uint8, RGB, contiguous and upright."""

from __future__ import annotations

from mtcnn_fast._types import Color, Layout, ValueRange
from mtcnn_fast.images.load import load_image, split_batch

__all__ = ["Color", "Layout", "ValueRange", "load_image", "split_batch"]
