"""Faces in the frames of a video: found in each, or found in some and followed through the others."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from mtcnn_fast._types import Floats, Image
from mtcnn_fast.errors import VideoError
from mtcnn_fast.faces import Faces
from mtcnn_fast.video.frames import Decoded, VideoFrame
from mtcnn_fast.video.queues import Ahead
from mtcnn_fast.video.reader import Item, Sound
from mtcnn_fast.video.sources import Source
from mtcnn_fast.video.tracker import Tracker

#: Frames that are decoded ahead.
AHEAD = 8

#: A batch ends early with this many pixels.
_BATCH_PIXELS = 32_000_000


class Finder(Protocol):
    """The detector, as far as a video needs it; it is a layer above this one."""

    max_pixels: int

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        """Run the whole cascade on each image."""

    def refine(self, image: Image, boxes: Floats) -> Faces:
        """Run the last two networks on boxes of an image."""


@dataclasses.dataclass(slots=True)
class Reader:
    """What is common to all ways of going through a video.

    Attributes
    ----------
    source : Source
    stride : int
        Each n-th frame is taken.
    """

    source: Source
    stride: int = 1

    @contextlib.contextmanager
    def items(self) -> Iterator[Ahead[Item]]:
        """Decode in a thread while the block runs, then close the source."""
        replaces: Callable[[Item], bool] | None = _is_frame if self.source.is_live else None
        try:
            with Ahead(self._taken(), 2 if self.source.is_live else AHEAD, replaces, self.source.cancel) as ahead:
                yield ahead
        finally:
            self.source.close()

    def _taken(self) -> Iterator[Item]:
        for item in self.source:
            if isinstance(item, Sound) or item.index % self.stride == 0:
                yield item


def _is_frame(item: Item) -> bool:
    return isinstance(item, Decoded)


def without_sound(items: Iterable[Item], on_sound: Callable[[Sound], None] | None) -> Iterator[Decoded]:
    """Yield the frames; hand the packets of audio to a function."""
    for item in items:
        if isinstance(item, Decoded):
            yield item
        elif on_sound is not None:
            on_sound(item)


def find(
    frames: Iterable[Decoded], finder: Finder, tracker: Tracker | None, *, at_once: int = 1
) -> Iterator[VideoFrame]:
    """Find the faces in frames.

    Parameters
    ----------
    frames : iterable of Decoded
        In the order of their times.
    finder : Finder
    tracker : Tracker or None
        Gives ids, and decides in which frames the whole cascade runs.
    at_once : int
        How many frames the detector gets together; of live streams 1.

    Yields
    ------
    VideoFrame
        One for each frame.

    Raises
    ------
    VideoError
        If a frame has more pixels than the detector accepts.
    """
    if tracker is not None and tracker.settings.detect_every > 1:
        yield from _followed(frames, finder, tracker)
        return
    for batch in _batches(frames, finder, at_once):
        found = finder.detect([_pixels(frame, finder) for frame in batch])
        for frame, faces in zip(batch, found, strict=True):
            yield VideoFrame(frame, faces if tracker is None else tracker.update(faces, frame.seconds))


def _batches(frames: Iterable[Decoded], finder: Finder, at_once: int) -> Iterator[list[Decoded]]:
    batch: list[Decoded] = []
    pixels = 0
    for frame in frames:
        batch.append(frame)
        width, height = frame.picture.size
        pixels += width * height
        if len(batch) >= at_once or pixels >= _BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _followed(frames: Iterable[Decoded], finder: Finder, tracker: Tracker) -> Iterator[VideoFrame]:
    """Run the whole cascade on each n-th frame, and its last two networks where faces are expected in the others."""
    for number, frame in enumerate(frames):
        if number % tracker.settings.detect_every == 0:
            (faces,) = finder.detect([_pixels(frame, finder)])
        else:
            expected = tracker.expect(frame.seconds)
            if len(expected):
                pixels = _pixels(frame, finder)
                faces = finder.refine(pixels, expected)
                if tracker.would_lose(faces):
                    (faces,) = finder.detect([pixels])
            else:
                faces = Faces.empty(frame.picture.size)
        yield VideoFrame(frame, tracker.update(faces, frame.seconds))


def _pixels(frame: Decoded, finder: Finder) -> Image:
    width, height = frame.picture.size
    if width * height > finder.max_pixels:
        raise VideoError(
            f"frame {frame.index} must have at most max_pixels={finder.max_pixels} pixels, has {width} x {height}"
        )
    return frame.picture.pixels()
