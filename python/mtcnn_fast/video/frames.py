"""A frame on its way: decoded, and with its faces."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from mtcnn_fast._types import Image

if TYPE_CHECKING:
    from mtcnn_fast.faces import Faces


class Picture(Protocol):
    """A decoded picture whose pixels are converted when they are read."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""

    def pixels(self) -> Image:
        """Return the upright picture, ``(H, W, 3)`` uint8 RGB."""


@dataclasses.dataclass(frozen=True, slots=True)
class Still:
    """A picture that is an array already.

    Attributes
    ----------
    array : (H, W, 3) uint8
    """

    array: Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.array.shape[1], self.array.shape[0]

    def pixels(self) -> Image:
        """Return the array."""
        return self.array


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """A picture and its place in the video.

    Attributes
    ----------
    index : int
        Number of the frame in the video, from 0.
    seconds : float
        Time since the video's start.
    picture : Picture
    pts : int
        The time in units of `time_base`, as the file has it.
    time_base : Fraction
        Seconds.
    duration : int
        Time until the next frame in units of `time_base`; 0 where the file does not tell.
    """

    index: int
    seconds: float
    picture: Picture
    pts: int
    time_base: Fraction
    duration: int = 0


class VideoFrame:
    """The faces of one frame of a video.

    Attributes
    ----------
    index : int
        Number of the frame in the video, from 0.
    seconds : float
        Time since the video's start.
    faces : Faces
        In pixels of the upright picture.

    Notes
    -----
    A frame holds its picture as it was decoded, about 1.5 bytes a pixel. Keep ``frame.faces`` of many frames rather
    than the frames.
    """

    __slots__ = ("_decoded", "faces", "index", "seconds")

    def __init__(self, decoded: Decoded, faces: Faces) -> None:
        self.index = decoded.index
        self.seconds = decoded.seconds
        self.faces = faces
        self._decoded = decoded

    @property
    def image(self) -> Image:
        """The upright picture, ``(H, W, 3)`` uint8 RGB, converted anew each time it is read."""
        return self._decoded.picture.pixels()

    @property
    def decoded(self) -> Decoded:
        """What the decoder gave: the picture in its own format, and its exact time."""
        return self._decoded

    def __repr__(self) -> str:
        return f"VideoFrame({self.index} at {self.seconds:.3f} s, {self.faces!r})"
