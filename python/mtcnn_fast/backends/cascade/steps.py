"""The steps of the cascade on a device's arrays: what the cascade needs of a device.

Lists of candidates have a capacity and a count. On the CPU both are the number of candidates
(`mtcnn_fast.backends.torch.cpu_steps`); on CUDA the count stays on the device (`mtcnn_fast.backends.cuda.kernels`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar

from mtcnn_fast._types import AnyArray, Image, Overlap
from mtcnn_fast.backends.cascade.plan import Plan

#: An array on a device: a tensor of torch, or `mtcnn_fast._cuda.Array`. What both have is a length, slices of the
#: first axis, ``reshape`` with a tuple, and ``data_ptr``.
DeviceArray = Any


@dataclasses.dataclass(slots=True)
class Candidates:
    """A list of candidates.

    Attributes
    ----------
    boxes : (capacity, 4) float32
    scores : (capacity,) float32
    offsets : (capacity, 4) float32
        A network's regression of them.
    images : (capacity,) int32
        Image of each; ascending.
    count : (1,) int32
        How many are in use.
    landmarks : (capacity, 5, 2) float32 or None
    segments : (capacity,) int32 or None
        What the first suppression is done within: image and scale.
    """

    boxes: DeviceArray
    scores: DeviceArray
    offsets: DeviceArray
    images: DeviceArray
    count: DeviceArray
    landmarks: DeviceArray | None = None
    segments: DeviceArray | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Capacities:
    """Lengths of the lists of a whole batch after P-Net, before R-Net and before O-Net, and of one image's faces."""

    proposals: int
    rnet: int
    onet: int
    faces: int


@dataclasses.dataclass(slots=True)
class FacesTensor:
    """Faces of a batch, on the device, without any having been downloaded.

    Attributes
    ----------
    boxes : (B, F, 4) float32
        Corners in pixels; rows from ``counts[b]`` on are 0.
    scores : (B, F) float32
        Descending.
    landmarks : (B, F, 5, 2) float32
    counts : (B,) int32
        Faces of each image.
    overflow : (1,) int32
        Not 0 if a list was too short, so that candidates or faces are missing.
    wanted : (4,) int32
        The lengths that the lists of `Capacities` would have needed. After a list that was too short, they are lower
        bounds.
    """

    boxes: DeviceArray
    scores: DeviceArray
    landmarks: DeviceArray
    counts: DeviceArray
    overflow: DeviceArray
    wanted: DeviceArray


class Batch(Protocol):
    """Images on the device, with whatever a device keeps of them."""

    plan: Plan
    wanted: DeviceArray


BatchT = TypeVar("BatchT", bound=Batch)

#: Scores and offsets of P-Net for levels of one size.
Maps = tuple[DeviceArray, DeviceArray]
#: The networks that look at crops.
CropNetworkName = Literal["rnet", "onet"]


class DeviceOps(Protocol[BatchT]):
    """The steps of the cascade that are no network. Arguments and results are arrays on one device."""

    def upload(self, images: Sequence[Image], plan: Plan) -> BatchT:
        """Bring a batch of images to the device.

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8 ndarray
            RGB, contiguous, in host memory.
        plan : Plan
            What the pyramid needs, made from the images' sizes.
        """

    def put(self, arrays: Sequence[AnyArray]) -> list[DeviceArray]:
        """Copy arrays to the device."""

    def download(self, arrays: Sequence[DeviceArray]) -> list[AnyArray]:
        """Copy arrays to the host, and wait once for all of them."""

    def pyramid(self, batch: BatchT) -> list[DeviceArray]:
        """Return the levels of the pyramid, normalised.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        list of (slots, 3, height, width) float32 array
            One for each group of the plan.
        """

    def propose(self, batch: BatchT, maps: Sequence[Maps], threshold: float, capacity: int) -> Candidates:
        """Turn the cells of P-Net's maps that reach a threshold into candidates.

        Parameters
        ----------
        batch : Batch
        maps : sequence of ((slots, rows, columns) float32 array, (slots, 4, rows, columns) float32 array)
            Scores and offsets of each group of the plan.
        threshold : float
            Least score, which counts.
        capacity : int
            Length of the list that is returned.
        """

    def suppress(
        self, candidates: Candidates, segments: DeviceArray, segment_count: int, threshold: float, mode: Overlap
    ) -> tuple[DeviceArray, DeviceArray]:
        """Suppress candidates that overlap a better one of their segment.

        Parameters
        ----------
        candidates : Candidates
        segments : (capacity,) int32 array
            Segment of each candidate, from 0 to `segment_count` - 1.
        segment_count : int
        threshold : float
            Overlap above which a candidate is suppressed.
        mode : {"iou", "iomin"}

        Returns
        -------
        kept : (capacity,) int64 array
            Indices of those that survive, by segment, then descending score.
        count : (1,) int32 array
            How many there are.
        """

    def gather(
        self,
        batch: BatchT,
        candidates: Candidates,
        kept: tuple[DeviceArray, DeviceArray] | None,
        capacity: int,
        *,
        regress: bool = False,
        inclusive: bool = False,
        square: bool = False,
        wanted: int | None = None,
    ) -> Candidates:
        """Take candidates, in the order given, and move their boxes.

        Parameters
        ----------
        batch : Batch
        candidates : Candidates
        kept : ((capacity,) int64 array, (1,) int32 array) or None
            Indices of those to take, and their number; None takes all.
        capacity : int
            Length of the list that is returned.
        regress : bool
            Whether to move each box by the network's offsets.
        inclusive : bool
            Whether boxes include their last column and row, so that a width is ``x2 - x1 + 1``.
        square : bool
            Whether to enlarge each box to a square.
        wanted : int or None
            Where in `FacesTensor.wanted` to note the number of candidates.
        """  # fmt: skip

    def crop(self, batch: BatchT, candidates: Candidates, size: int) -> tuple[DeviceArray, DeviceArray]:
        """Cut the candidates out of their images (section 3 of docs/semantics.md).

        Parameters
        ----------
        batch : Batch
        candidates : Candidates
        size : int
            Side of the crops in pixels.

        Returns
        -------
        crops : (n, 3, size, size) array
            Normalised.
        valid : (n,) bool array
        """

    def filter(
        self,
        batch: BatchT,
        candidates: Candidates,
        points: DeviceArray | None,
        valid: DeviceArray,
        threshold: float,
        capacity: int,
    ) -> Candidates:
        """Keep the valid candidates above a threshold.

        Parameters
        ----------
        batch : Batch
        candidates : Candidates
        points : (n, 10) float32 array or None
            O-Net's landmarks in units of the box: five x, then five y.
        valid : (n,) bool array
        threshold : float
            Least score, which does not count.
        capacity : int
            Length of the list that is returned.
        """

    def pack(self, batch: BatchT, candidates: Candidates, capacities: Capacities) -> FacesTensor:
        """Sort the faces of each image into padded tables.

        Parameters
        ----------
        batch : Batch
        candidates : Candidates
            With landmarks.
        capacities : Capacities
            Of the lists; `faces` is the number of rows an image has in the tables.
        """
