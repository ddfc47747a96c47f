"""The steps between the networks on torch tensors: what the cascade needs of a device.

Lists of candidates have a capacity and a count. On the CPU both are the number of candidates
(`mtcnn_fast.backends.torch.cpu_steps`); on CUDA the count stays on the device (`mtcnn_fast.backends.torch.cuda_steps`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from mtcnn_fast._types import Image, Overlap
from mtcnn_fast.backends.torch.plan import Plan


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

    boxes: Tensor
    scores: Tensor
    offsets: Tensor
    images: Tensor
    count: Tensor
    landmarks: Tensor | None = None
    segments: Tensor | None = None


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

    boxes: Tensor
    scores: Tensor
    landmarks: Tensor
    counts: Tensor
    overflow: Tensor
    wanted: Tensor


class Batch(Protocol):
    """Images on the device, with whatever a device keeps of them."""

    plan: Plan
    wanted: Tensor


BatchT = TypeVar("BatchT", bound=Batch)


class DeviceOps(Protocol[BatchT]):
    """The steps of the cascade that are no network. Arguments and results are tensors on one device."""

    def upload(self, images: Sequence[Image], plan: Plan) -> BatchT:
        """Bring a batch of images to the device."""

    def pyramid(self, batch: BatchT) -> list[Tensor]:
        """Return each group of the plan as normalised ``(slots, 3, height, width)``."""

    def scan(self, batch: BatchT) -> list[tuple[Tensor, Tensor]]:
        """Run P-Net on all levels of a batch; only for `Cascade` with ``fused``."""

    def propose(
        self, batch: BatchT, maps: Sequence[tuple[Tensor, Tensor]], threshold: float, capacity: int
    ) -> Candidates:
        """Turn the cells of P-Net's maps that reach a threshold into candidates."""

    def suppress(
        self, candidates: Candidates, segments: Tensor, segment_count: int, threshold: float, mode: Overlap
    ) -> tuple[Tensor, Tensor]:
        """Return the indices of the candidates that survive, in order, and their number."""

    def gather(
        self,
        batch: BatchT,
        candidates: Candidates,
        kept: tuple[Tensor, Tensor] | None,
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
        kept : ((capacity,) int64 Tensor, (1,) int32 Tensor) or None
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

    def crop(self, batch: BatchT, candidates: Candidates, size: int) -> tuple[Tensor, Tensor]:
        """Return crops ``(n, 3, size, size)`` and which of them are valid."""

    def filter(
        self,
        batch: BatchT,
        candidates: Candidates,
        points: Tensor | None,
        valid: Tensor,
        threshold: float,
        capacity: int,
    ) -> Candidates:
        """Keep the valid candidates above a threshold."""

    def pack(self, batch: BatchT, candidates: Candidates, capacities: Capacities) -> FacesTensor:
        """Sort the faces of each image into padded tables."""
