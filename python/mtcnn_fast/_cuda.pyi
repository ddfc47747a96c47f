"""Kernels between the networks. Arrays are any objects with ``__cuda_array_interface__`` or DLPack, on one device."""

from collections.abc import Sequence
from typing import Any, TypedDict

#: Distinct outputs of P-Net that `proposals` reads at once.
MAX_MAPS: int

class Status(TypedDict):
    toolkit: int
    driver: int
    devices: int
    problem: str

class Device(TypedDict):
    name: str
    capability: tuple[int, int]
    multiprocessors: int
    memory: int

#: Boxes, scores, offsets, landmarks and images, each an array or None.
_Candidates = tuple[Any, Any, Any, Any, Any]
#: Address, strides in bytes of rows, pixels and channels, height, width.
_Image = tuple[int, int, int, int, int, int]

def status() -> Status: ...
def devices() -> list[Device]: ...

class ResizePlan:
    def __init__(self, images: Sequence[_Image], levels: Sequence[tuple[int, int, int]]) -> None: ...
    @property
    def table(self) -> bytes: ...
    @property
    def offsets(self) -> list[int]: ...
    @property
    def elements(self) -> int: ...
    @property
    def blocks(self) -> int: ...

def image_table(images: Sequence[_Image]) -> bytes: ...
def resize_pyramid(plan: ResizePlan, table: Any, out: Any, *, stream: int) -> None: ...
def crop_pad_resize(
    images: Any,
    boxes: Any,
    image_index: Any,
    count: Any,
    out: Any,
    valid: Any,
    *,
    zero_border: bool,
    stream: int,
) -> None: ...
def batched_nms_workspace_size(capacity: int, segment_count: int) -> int: ...
def batched_nms(
    boxes: Any,
    scores: Any,
    segments: Any,
    segment_count: int,
    count: Any,
    threshold: float,
    iomin: bool,
    kept: Any,
    kept_count: Any,
    workspace: Any,
    *,
    stream: int,
) -> None: ...
def proposal_table(levels: Sequence[tuple[int, int, int, int, int, int, float]]) -> tuple[bytes, int]: ...
def proposals_workspace_size(chunks: int) -> int: ...
def proposals(
    maps: Sequence[tuple[Any, Any]],
    levels: Any,
    chunks: int,
    threshold: float,
    boxes: Any,
    scores: Any,
    offsets: Any,
    segments: Any,
    images: Any,
    count: Any,
    overflow: Any,
    workspace: Any,
    *,
    append: bool = False,
    stream: int,
) -> None: ...
def filter_workspace_size(length: int) -> int: ...
def filter_candidates(
    candidates: _Candidates,
    points: Any,
    valid: Any,
    count: Any,
    threshold: float,
    out: _Candidates,
    out_count: Any,
    overflow: Any,
    workspace: Any,
    *,
    stream: int,
) -> None: ...
def gather_candidates(
    candidates: _Candidates,
    kept: Any,
    count: Any,
    regress: bool,
    rcnn_coding: bool,
    extra: float,
    square: bool,
    out: _Candidates,
    *,
    stream: int,
) -> None: ...
def pack_faces(
    candidates: _Candidates,
    count: Any,
    boxes: Any,
    scores: Any,
    landmarks: Any,
    counts: Any,
    overflow: Any,
    *,
    stream: int,
) -> None: ...
