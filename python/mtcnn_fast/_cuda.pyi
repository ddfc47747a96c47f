"""Kernels between the networks. An array is any object with ``__cuda_array_interface__`` or DLPack, C-contiguous.

The arrays of one call lie on one device. `stream` is the handle of a CUDA stream on it, 0 for the default stream. A
call queues its work there and returns without waiting. Counts are ``(1,)`` int32 arrays in device memory; None counts
everything. ``selected`` and ``wanted`` receive the length that a list would have had without its capacity.
"""

from collections.abc import Sequence
from typing import Any, TypedDict, overload

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

class Pool:
    """Device memory, pinned memory and streams of one device. What is given back is kept for later use.

    It retains the device's context for the life of the process. `reserved` counts bytes of device memory, in use or
    not. `trim` waits for the device and gives back all that is not in use. Errors: `MemoryError` where the driver has
    no more memory, `mtcnn_fast.errors.BackendError` for all else, such as use in a forked process.
    """

    def __init__(self, device: int) -> None: ...
    @property
    def device(self) -> int: ...
    @property
    def reserved(self) -> int: ...
    def trim(self) -> None: ...

class Stream:
    """A stream of a pool's own, or another library's by its `handle`. Memory made for it may be used on it at once.

    `download` returns numpy's arrays with the contents, after one wait for the stream.
    """

    @overload
    def __init__(self, pool: Pool) -> None: ...
    @overload
    def __init__(self, pool: Pool, handle: int) -> None: ...
    @property
    def handle(self) -> int: ...
    def download(self, arrays: list[Array]) -> list[Any]: ...
    def synchronize(self) -> None: ...

class Mark:
    """A place in a stream; `passed` tells whether all that was queued before it is over."""

    def __init__(self, stream: Stream) -> None: ...
    @property
    def passed(self) -> bool: ...

class PinnedMemory:
    """Host memory (a buffer of bytes) from which `send` queues a copy to a whole array. Used again only after that."""

    def __init__(self, stream: Stream, size: int) -> None: ...
    def send(self, first: int, target: Array) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Array:
    """A C-contiguous array in a pool's memory, with any content or zeros: float32, int32, int64, uint8 or bool.

    A slice is rows along the first axis, in the same memory. `numpy` waits for the array's stream. So does `share`,
    after which any stream may read the array without waiting, and nothing may write it. Memory that another
    library got by DLPack or ``__cuda_array_interface__`` for another stream is used again after a wait for the device.
    """

    def __init__(self, stream: Stream, shape: int | tuple[int, ...], dtype: str, zeros: bool = False) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def data_ptr(self) -> int: ...
    def reshape(self, shape: int | tuple[int, ...]) -> Array: ...
    def numpy(self) -> Any: ...
    def share(self) -> None: ...
    def __getitem__(self, rows: slice) -> Array: ...
    def __len__(self) -> int: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...

class ForeignArray:
    """An array of another library, whose memory it holds; `stream` waits for its producer. `strides` are in bytes."""

    def __init__(self, name: str, array: Any, *, stream: int) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> int: ...

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
    def table_for(self, images: Sequence[Image]) -> bytes:
        """Return `table` for other images of the same sizes."""

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
    def parts(self) -> int: ...
    @property
    def tile(self) -> tuple[int, int]: ...
    @property
    def shared_memory(self) -> int: ...

def pnet_weights(tensors: dict[str, Any]) -> bytes:
    """Pack P-Net's tensors (`mtcnn_fast.weights.spec`) for the kernel."""

def pnet(plan: PNetPlan, table: Any, weights: Any, scores: Any, offsets: Any, *, stream: int) -> None:
    """Compute scores ``(cells,)`` and offsets ``(4 * cells,)``: for each level ``(4, rows, columns)``."""

def pnet_filter_weights(tensors: dict[str, Any]) -> bytes:
    """Pack P-Net's tensors for `pnet_filtered`."""

def pnet_filtered(
    plan: PNetPlan,
    table: Any,
    weights: Any,
    scores: Any,
    offsets: Any,
    filter_weights: Any,
    limit: float,
    wanted: Any,
    *,
    stream: int,
) -> None:
    """Do as `pnet` where a part of a tile has a cell whose logits, in half precision, differ by `limit` or more.

    The other parts get scores of 0 and no offsets. `wanted` ``(plan.parts,)`` uint8 tells them apart.
    """

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
