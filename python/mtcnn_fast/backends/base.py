"""The protocol that every backend implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mtcnn_fast._types import Image
from mtcnn_fast.faces import Faces


class Backend(Protocol):
    """Runs the cascade on normalised images.

    A backend holds the configuration and the weights it was made with. It is safe to call from several threads, and for
    each image it returns what it would return for that image alone.
    """

    @property
    def name(self) -> str:
        """The device string that selects this backend, such as ``"numpy"`` or ``"cpu"``."""

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image, in the order of `images`."""

    def warmup(self) -> None:
        """Allocate and compile what the first detection would have to."""

    def close(self) -> None:
        """Release threads and memory; the backend is not used afterwards."""
