"""The keyword arguments of detections, for checkers of types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from mtcnn_fast._types import Color, Layout, ValueRange
from mtcnn_fast.views.settings import Tiles


class ReadingOptions(TypedDict, total=False):
    """How an image is to be read; see `mtcnn_fast.images.load_image`."""

    color: Color
    value_range: ValueRange | None
    layout: Layout
    exif: bool | None


class ViewOptions(TypedDict, total=False):
    """What of an image is searched; see `mtcnn_fast.views.settings.Views`."""

    roi: tuple[float, float, float, float] | None
    max_side: int | None
    rotations: Sequence[int]
    tiles: Tiles | None
    tile_overlap: int | None


class DetectionOptions(ReadingOptions, ViewOptions, total=False):
    """What every detection takes."""

    profile: bool
    keep_image: bool


class SingleOptions(DetectionOptions, total=False):
    """What the detection of one image takes."""

    trace: bool


class StreamOptions(DetectionOptions, total=False):
    """What the detection of a stream takes."""

    batch_size: int | None


class BatchOptions(StreamOptions, total=False):
    """What the detection of a batch takes."""

    progress: bool
