"""One pass of ``mtcnn-fast video``: decoding, detection and encoding in three threads."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast.cli.output import printable
from mtcnn_fast.cli.printing import printer
from mtcnn_fast.cli.streams import print_error
from mtcnn_fast.cli.video_tables import FrameTable
from mtcnn_fast.moving_pictures import frames_and_sound
from mtcnn_fast.progress import progress_bar
from mtcnn_fast.video import VideoFrame
from mtcnn_fast.video.finding import Reader
from mtcnn_fast.video.queues import Behind
from mtcnn_fast.video.reader import Sound
from mtcnn_fast.video.writer import Writer, make_writer

if TYPE_CHECKING:
    from mtcnn_fast._types import Image
    from mtcnn_fast.detector import Detector
    from mtcnn_fast.video import Tracking

#: Frames and packets that wait for the encoder.
WAITING = 16

#: How faces are shown or hidden, by the name of the option.
DRAWINGS: dict[str, Callable[[VideoFrame, Any], Any]] = {
    "draw": lambda frame, image: frame.faces.draw(image),
    "blur": lambda frame, image: frame.faces.blur(image),
    "pixelate": lambda frame, image: frame.faces.pixelate(image),
}


class VideoRun:
    """Goes through a video.

    Parameters
    ----------
    detector : Detector
    reader : Reader
        It is closed when the run ends.
    tracking : bool or Tracking
    table : FrameTable
        How results are printed.
    """

    def __init__(self, detector: Detector, reader: Reader, tracking: bool | Tracking, table: FrameTable) -> None:
        self._detector = detector
        self._reader = reader
        self._tracking = tracking
        self._table = table
        self._writer: Writer | None = None
        self._out: Path | None = None
        self._kind = ""
        self._frames = 0
        self._faces = 0
        self._is_written = False
        self._start = time.perf_counter()

    def write_to(self, out: Path, kind: str, *, codec: str | None, quality: int | None, shifts: bool) -> None:
        """Write a video too: with its faces shown or hidden as the key of `DRAWINGS` says."""
        source = self._reader.source
        rate = None if source.rate is None else source.rate / self._reader.stride
        self._writer = make_writer(
            out, rate=rate, sounds=source.sounds, codec=codec, quality=quality, shifts=shifts or source.is_live
        )
        self._out, self._kind = out, kind

    def go(self) -> None:
        """Run to the end, or to an error or interrupt: what is written is complete up to there."""
        total = self._reader.source.frames
        behind = None if self._writer is None else Behind(self._encode, WAITING)
        with progress_bar(None if total is None else -(-total // self._reader.stride), unit="frames") as progress:
            emit = printer(progress)
            self._table.start(emit)
            try:
                for frame in frames_and_sound(
                    self._detector, self._reader, self._tracking, lambda sound: behind.put(sound) if behind else None
                ):
                    if behind is not None:
                        behind.put(frame)
                    self._table.add(frame, emit)
                    self._frames += 1
                    self._faces += len(frame.faces)
                    progress.advance()
            finally:
                self._finish(behind)

    def _finish(self, behind: Behind[VideoFrame | Sound] | None) -> None:
        failed = isinstance(sys.exc_info()[1], OSError)
        if not failed:
            self._table.finish()
        if behind is None or self._writer is None:
            return
        try:
            behind.finish()
            if self._writer.frames or sys.exc_info()[1] is None:
                self._writer.finish()
                self._is_written = True
        finally:
            if not self._is_written:
                self._writer.discard()

    def _encode(self, item: VideoFrame | Sound) -> None:
        assert self._writer is not None
        if isinstance(item, Sound):
            self._writer.sound(item)
        else:
            self._writer.write(item.decoded, self._drawn(item))

    def _drawn(self, frame: VideoFrame) -> Image | None:
        if not len(frame.faces):
            return None
        return np.asarray(DRAWINGS[self._kind](frame, frame.image))

    def advice(self) -> str:
        """Return what is left after an interrupt."""
        if not self._is_written or self._writer is None:
            return f"{self._frames} frames were done"
        return f"{printable(str(self._out))} holds the first {self._writer.frames} frames"

    def report(self) -> None:
        """Print on standard error what was damaged and, on a terminal, how much was done."""
        damaged = self._reader.source.damage.packets
        if damaged:
            print_error(f"mtcnn-fast: {damaged} damaged packet{'s' if damaged > 1 else ''} or frame(s) skipped")
        if sys.stderr.isatty():
            seconds = time.perf_counter() - self._start
            rate = self._frames / max(seconds, 1e-9)
            print_error(f"{self._frames} frames, {self._faces} faces in {seconds:.1f} s ({rate:.1f} frames/s)")
