"""Every accepted kind of image becomes ``(H, W, 3)`` uint8, RGB, contiguous and upright."""

from __future__ import annotations

from mtcnn_fast._types import Color, Layout, ValueRange
from mtcnn_fast.images.load import load_image, split_batch
from mtcnn_fast.listing import list_images

__all__ = ["Color", "Layout", "ValueRange", "list_images", "load_image", "split_batch"]
