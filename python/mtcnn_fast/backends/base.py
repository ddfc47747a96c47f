"""The protocols of backends: what each can do, and what only those on tensors can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mtcnn_fast._types import Floats, Image
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Faces

if TYPE_CHECKING:
    from mtcnn_fast.backends.cascade.steps import FacesTensor


class Backend(Protocol):
    """Runs the cascade on normalised images.

    A backend holds the configuration and the weights it was made with. Several threads may call it at once. For each
    image it returns what it would return for that image alone.
    """

    @property
    def name(self) -> str:
        """The device string that selects this backend, such as ``"numpy"`` or ``"cuda:0"``."""

    @property
    def on_tensors(self) -> TensorBackend | None:
        """The backend itself, where it also takes tensors on its device; else None."""

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image.

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8 ndarray
            RGB, C-contiguous, of any sizes; none are allowed.
        profile : bool
            Attach to each result the seconds of each of `mtcnn_fast.faces.trace.STAGES`, as ``timings``.
        trace : bool
            Attach to each result what each of `mtcnn_fast.faces.trace.STEPS` kept and dropped, as ``trace``.

        Returns
        -------
        list of Faces
            One for each image, in their order: at most ``max_faces``, highest score first, in pixels of the image.

        Raises
        ------
        BackendError
            If the device fails, or its memory does not hold one image.
        """

    def propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        """Find what P-Net takes for faces in each image (sections 1 and 2 of docs/semantics.md).

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8 ndarray
            As for `detect`.

        Returns
        -------
        list of (boxes, scores)
            For each image the proposals as R-Net gets them. ``boxes (N, 4)`` float32: corners of squares in pixels,
            regressed, each with an area and a pixel inside the image. ``scores (N,)`` float32, from 0 to 1.
        """

    def refine(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Faces]:
        """Find the faces in given boxes, by R-Net and O-Net alone (sections 3 and 4).

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8 ndarray
            As for `detect`.
        boxes : sequence of (N, 4) float32 ndarray
            One array for each image: corners in pixels. Each box is enlarged to the square about its centre; one
            without a pixel inside the image is left out.

        Returns
        -------
        list of Faces
            As `detect` returns them.

        Raises
        ------
        ConfigError
            If there is not one array of boxes for each image.
        """

    def warmup(self) -> None:
        """Allocate and compile what the first detection would have to."""

    def close(self) -> None:
        """Release threads and memory; the backend is not used afterwards."""


class TensorBackend(Backend, Protocol):
    """A backend that also takes images on its device, and leaves results there."""

    def detect_tensor(self, images: Any) -> FacesTensor:
        """Detect faces without copying anything to the host and without waiting for the device.

        Parameters
        ----------
        images : (B, H, W, 3) or (B, 3, H, W) uint8 array, or sequence of (H, W, 3) or (3, H, W)
            RGB, any strides, on the backend's device.

        Returns
        -------
        FacesTensor
            Padded tables on the device.

        Raises
        ------
        ImageError
            If a tensor has another type, shape or device.
        """


def check_one_each(images: Sequence[Image], boxes: Sequence[Floats]) -> None:
    """Raise ConfigError unless there is one array of boxes for each image."""
    if len(images) != len(boxes):
        raise ConfigError(f"boxes must have one entry for each of the {len(images)} images, got {len(boxes)}")
