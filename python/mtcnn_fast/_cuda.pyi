"""Kernels between the networks. An array is any object with ``__cuda_array_interface__`` or DLPack, C-contiguous.

The arrays of one call lie on one device. `stream` is the handle of a CUDA stream on it, 0 for the default stream. A
call queues its work there and returns without waiting. Counts are ``(1,)`` int32 arrays in device memory; None counts
everything. ``selected`` and ``wanted`` receive the length that a list would have had without its capacity.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

#: Maps that one launch of `proposals` reads.
MAX_MAPS: int
#: Bytes of one image in an `image_table`.
IMAGE_BYTES: int
#: Workspaces, tables and images begin at a multiple of this many bytes.
ALIGNMENT: int

class Status(TypedDict):
    """CUDA versions as ``1000 * major + 10 * minor``; `problem` is empty where there is a device."""

    toolkit: int
    driver: int
    devices: int
    problem: str

class Device(TypedDict):
    """Memory is in bytes, `shared_memory` that of a block; `problem` is empty where the kernels run on the device."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    memory: int
    shared_memory: int
    problem: str

def status() -> Status: ...
def devices() -> list[Device]: ...
def order_after(array: Any, *, stream: int) -> None:
    """Let `stream` wait for the stream that writes `array`, if the array names one."""

class Image:
    """An RGB image in device memory, with strides in bytes."""

    def __init__(
        self, address: int, row_stride: int, pixel_stride: int, channel_stride: int, height: int, width: int
    ) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def row_stride(self) -> int: ...
    @property
    def pixel_stride(self) -> int: ...
    @property
    def channel_stride(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...

def image_table(images: Sequence[Image]) -> bytes: ...

class LevelShape:
    """One level of the pyramid: the index of its image and its size."""

    def __init__(self, image: int, height: int, width: int) -> None: ...
    @property
    def image(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...

class ResizePlan:
    """The work of one `resize_pyramid`; `offsets` and `elements` count numbers of the output."""

    def __init__(self, images: Sequence[Image], levels: Sequence[LevelShape]) -> None: ...
    @property
    def table(self) -> bytes: ...
    @property
    def offsets(self) -> list[int]: ...
    @property
    def elements(self) -> int: ...
    @property
    def blocks(self) -> int: ...

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

class PNetLevel:
    """One level for `pnet`: its image, its size, the segment it is for suppression, its scale."""

    def __init__(self, image: int, height: int, width: int, segment: int, scale: float) -> None: ...
    @property
    def image(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def scale(self) -> float: ...

class PNetPlan:
    """The work of one `pnet`, in tiles that fit `shared_memory` bytes, and the table for `proposals`.

    `cells` is the length of the scores; `tile` is the width and height of a tile in cells.
    """

    def __init__(self, images: Sequence[Image], levels: Sequence[PNetLevel], *, shared_memory: int) -> None: ...
    @property
    def table(self) -> bytes: ...
    @property
    def proposal_table(self) -> bytes: ...
    @property
    def chunks(self) -> int: ...
    @property
    def cells(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def tile(self) -> tuple[int, int]: ...
    @property
    def shared_memory(self) -> int: ...

def pnet_weights(tensors: dict[str, Any]) -> bytes:
    """Pack P-Net's tensors (`mtcnn_fast.weights.spec`) for the kernel."""

def pnet(plan: PNetPlan, table: Any, weights: Any, scores: Any, offsets: Any, *, stream: int) -> None:
    """Compute scores ``(cells,)`` and offsets ``(4 * cells,)``: for each level ``(4, rows, columns)``."""

class CropNetwork:
    """R-Net (``rnet``) or O-Net (``onet``) for `run_crop_network`, in blocks that fit `shared_memory` bytes.

    `weights` are packed for the device; numbers of channels are those of `tensors` (`mtcnn_fast.weights.spec`).
    `band` is the number of rows of its second pooled map that a block computes at a time.
    """

    def __init__(self, name: str, tensors: dict[str, Any], *, shared_memory: int) -> None: ...
    @property
    def weights(self) -> bytes: ...
    @property
    def has_landmarks(self) -> bool: ...
    @property
    def shared_memory(self) -> int: ...
    @property
    def band(self) -> int: ...
    def workspace_size(self, length: int) -> int: ...

def run_crop_network(
    network: CropNetwork,
    weights: Any,
    images: Any,
    boxes: Any,
    image_index: Any,
    count: Any,
    scores: Any,
    offsets: Any,
    points: Any,
    valid: Any,
    workspace: Any,
    *,
    zero_border: bool,
    stream: int,
) -> None:
    """Compute scores ``(n,)``, offsets ``(n, 4)``, O-Net's points ``(n, 10)`` and which boxes are valid ``(n,)``."""

class ProposalMap:
    """P-Net's output for levels of one size: ``(slots, rows, columns)`` and ``(slots, 4, rows, columns)`` float32."""

    def __init__(self, scores: Any, offsets: Any) -> None: ...
    @property
    def scores(self) -> Any: ...
    @property
    def offsets(self) -> Any: ...

class ProposalLevel:
    """One level of one image: its map and slot there, its cells, its image, the segment it is, its scale."""

    def __init__(
        self, map: int, slot: int, rows: int, columns: int, image: int, segment: int, scale: float
    ) -> None: ...
    @property
    def map(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def image(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def scale(self) -> float: ...

class ProposalTable:
    """The levels of one launch of `proposals` as bytes, and the chunks of work that they are."""

    def __init__(self, levels: Sequence[ProposalLevel]) -> None: ...
    @property
    def table(self) -> bytes: ...
    @property
    def chunks(self) -> int: ...

def proposals_workspace_size(chunks: int) -> int: ...
def proposals(
    maps: Sequence[ProposalMap],
    levels: Any,
    chunks: int,
    threshold: float,
    boxes: Any,
    scores: Any,
    offsets: Any,
    segments: Any,
    images: Any,
    count: Any,
    selected: Any,
    workspace: Any,
    *,
    append: bool = False,
    stream: int,
) -> None: ...

class Candidates:
    """Boxes and offsets ``(n, 4)``, scores and images ``(n,)``, landmarks ``(n, 5, 2)``. All but boxes may be None."""

    def __init__(
        self, boxes: Any, scores: Any = None, offsets: Any = None, landmarks: Any = None, images: Any = None
    ) -> None: ...
    @property
    def boxes(self) -> Any: ...
    @property
    def scores(self) -> Any: ...
    @property
    def offsets(self) -> Any: ...
    @property
    def landmarks(self) -> Any: ...
    @property
    def images(self) -> Any: ...

#: Lists whose capacity the caller chooses, in the order of ``wanted``: proposals, R-Net, O-Net, faces of an image.
LISTS: int

def filter_workspace_size(length: int) -> int: ...
def filter_candidates(
    candidates: Candidates,
    points: Any,
    valid: Any,
    count: Any,
    threshold: float,
    out: Candidates,
    out_count: Any,
    selected: Any,
    workspace: Any,
    *,
    stream: int,
) -> None: ...
def gather_candidates(
    candidates: Candidates,
    kept: Any,
    count: Any,
    out: Candidates,
    out_count: Any,
    wanted: Any,
    *,
    regress: bool = False,
    inclusive: bool = False,
    rcnn_coding: bool = False,
    square: bool = False,
    stream: int,
) -> None: ...
def pack_faces(
    candidates: Candidates,
    count: Any,
    boxes: Any,
    scores: Any,
    landmarks: Any,
    counts: Any,
    wanted: Any,
    overflow: Any,
    *,
    limits: tuple[int, int, int],
    stream: int,
) -> None: ...
