"""Files and streams, read packet by packet by PyAV: a damaged packet costs itself only."""

from __future__ import annotations

import dataclasses
import heapq
import logging
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from mtcnn_fast._types import Image
from mtcnn_fast.errors import VideoError
from mtcnn_fast.video.frames import Decoded
from mtcnn_fast.video.planes import Turn, av_module, to_rgb

_LOGGER = logging.getLogger("mtcnn_fast")

#: Damaged packets that are named one by one; the others are counted.
NAMED = 5

#: A demuxer that fails this often in a row is at its end.
_ATTEMPTS = 32

#: Formats that take any text for a picture.
_NOT_VIDEO = frozenset({"tty", "bin", "adf", "idf", "xbin"})


@dataclasses.dataclass(frozen=True, slots=True)
class Sound:
    """A packet of an audio stream, as it is in the file.

    Attributes
    ----------
    packet : av.Packet
        Its stream may be closed by the time it is written.
    stream : int
        Index of its stream in the file.
    seconds : float or None
        Its time since the video's start.
    """

    packet: Any
    stream: int
    seconds: float | None


Item: TypeAlias = "Decoded | Sound"


@dataclasses.dataclass(slots=True)
class Damage:
    """What could not be decoded.

    Attributes
    ----------
    packets : int
        Packets and frames that were skipped.
    """

    packets: int = 0

    def report(self, what: str, problem: object) -> None:
        """Count one, and name it while there are few."""
        self.packets += 1
        if self.packets <= NAMED:
            _LOGGER.warning("%s; skipped (%s)", what, problem)
        elif self.packets == NAMED + 1:
            _LOGGER.warning("further damage is counted, not named")


@dataclasses.dataclass(frozen=True, slots=True)
class AvPicture:
    """A frame of PyAV.

    Attributes
    ----------
    frame : av.VideoFrame
        As it was decoded.
    turn : Turn
        How it is shown.
    aspect : Fraction or None
        Width of a pixel over its height, before the turn, if it is known.
    """

    frame: Any
    turn: Turn
    aspect: Fraction | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        width, height = self.frame.width, self.frame.height
        return (height, width) if self.turn.swaps else (width, height)

    def pixels(self) -> Image:
        """Return the upright picture as RGB."""
        return np.ascontiguousarray(self.turn(to_rgb(self.frame)))


class Numbering:
    """Numbers frames by their place among all packets' times, so that a frame that is lost keeps its number."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._next = 0

    def packet(self, pts: int | None) -> None:
        """Note a packet that goes to the decoder."""
        if pts is not None:
            heapq.heappush(self._waiting, pts)

    def skip(self) -> None:
        """Count a packet that is not decoded, before the first that is."""
        self._next += 1

    def number(self, pts: int | None) -> int:
        """Return the number of a frame that the decoder gave."""
        while pts is not None and self._waiting and self._waiting[0] < pts:
            heapq.heappop(self._waiting)
            self._next += 1
        if self._waiting and self._waiting[0] == pts:
            heapq.heappop(self._waiting)
        self._next += 1
        return self._next - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """How a file or stream is opened.

    Attributes
    ----------
    source : str or file object
    form : str or None
        Name of the demuxer; by default it is found out.
    options : mapping of str to str
        Options of FFmpeg's demuxer and protocol.
    timeout : float or None
        Seconds that opening, and each reading, may take.
    is_live : bool
        Whether it cannot wait: decoding then adds no delay of whole frames.
    """

    source: Any
    form: str | None = None
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    timeout: float | None = None
    is_live: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.source if isinstance(self.source, str) else f"the {type(self.source).__name__} object"


class AvReader:
    """Decodes a file or stream.

    Parameters
    ----------
    opening : Opening
    start, stop : float or None
        Seconds since the video's start.
    with_sound : bool
        Whether packets of audio are handed out too.

    Attributes
    ----------
    damage : Damage
    rate : Fraction or None
        Frames a second, on average.
    duration : float or None
        Seconds.
    sounds : list of av.AudioStream

    Raises
    ------
    VideoError
        If it cannot be opened, or has no video.
    """

    def __init__(
        self, opening: Opening, *, start: float | None = None, stop: float | None = None, with_sound: bool = False
    ) -> None:
        self._name = opening.name
        self._start, self._stop = start, stop
        self.damage = Damage()
        self._container = _open(opening)
        try:
            self._video = self._video_stream()
        except VideoError:
            self.close()
            raise
        # Frames side by side where there is time for the delay.
        self._video.thread_type = "SLICE" if opening.is_live else "AUTO"
        self.sounds = list(self._container.streams.audio) if with_sound else []
        self.rate = self._video.average_rate or self._video.guessed_rate
        micro = self._container.duration
        self.duration = None if not micro or micro < 0 else micro / 1e6
        self._origin = (self._container.start_time or 0) / 1e6
        self._numbering = Numbering()
        self._last: float | None = None

    @property
    def frames(self) -> int | None:
        """About how many frames are read, if the file tells."""
        if self.duration is None or not self.rate:
            return None
        end = self.duration if self._stop is None else min(self._stop, self.duration)
        seconds = max(0.0, end - (self._start or 0))
        whole = self._start is None and (self._stop is None or self._stop >= self.duration)
        counted: int = self._video.frames if whole else 0
        return counted or round(seconds * self.rate)

    def _video_stream(self) -> Any:
        if self._container.format.name in _NOT_VIDEO:
            raise VideoError(f"{self._name}: is text, not video")
        av = av_module()
        cover = av.stream.Disposition.attached_pic
        for stream in self._container.streams.video:
            if not stream.disposition & cover:
                return stream
        raise VideoError(f"{self._name}: has no video stream")

    def __iter__(self) -> Iterator[Item]:
        """Yield frames in their order, and packets of audio between them.

        Raises
        ------
        VideoError
            If nothing can be decoded, or reading fails.
        """
        any_frame = False
        for item in self._items():
            any_frame = any_frame or isinstance(item, Decoded)
            yield item
        if not any_frame and self._start is None and (self._stop is None or self._stop > 0):
            raise VideoError(f"{self._name}: no frame can be decoded")

    def _items(self) -> Iterator[Item]:
        held: list[Any] | None = None if self._start is None else []
        for packet in self._packets():
            if packet.stream is not self._video:
                yield from self._sound(packet)
                continue
            if held is not None:
                held, ready = self._hold(packet, held)
            else:
                ready = [packet]
            for each in ready:
                for decoded in self._decode(each):
                    if self._stop is not None and decoded.seconds >= self._stop:
                        return
                    if self._start is None or decoded.seconds >= self._start:
                        yield decoded

    def _hold(self, packet: Any, held: list[Any]) -> tuple[list[Any] | None, list[Any]]:
        """Hold the packets since the last that can be decoded by itself, until the first that is wanted."""
        assert self._start is not None
        seconds = self._seconds(packet.pts)
        if packet.is_keyframe and seconds is not None and seconds <= self._start:
            for _ in held:
                self._numbering.skip()
            return [packet], []
        held.append(packet)
        if seconds is None or seconds >= self._start:
            return None, held
        return held, []

    def _packets(self) -> Iterator[Any]:
        av = av_module()
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._video, *self.sounds):
                    failures = 0
                    yield packet
                return
            except av.error.EOFError:
                return
            except av.error.InvalidDataError as error:
                failures += 1
                self.damage.report(f"{self._name}: a part cannot be read", error.strerror)
                if failures > _ATTEMPTS:
                    return
            except (av.FFmpegError, OSError) as error:
                raise VideoError(f"{self._name}: reading failed ({error.strerror or error})") from error

    def _sound(self, packet: Any) -> Iterator[Sound]:
        # The empty packet at the end is for decoders.
        if packet.size:
            time = None if packet.pts is None else float(packet.pts * packet.time_base) - self._origin
            if self._start is None or (time is not None and time >= self._start):
                yield Sound(packet, packet.stream.index, time)

    def _decode(self, packet: Any) -> Iterator[Decoded]:
        av = av_module()
        if packet.size and not packet.is_discard:
            self._numbering.packet(packet.pts)
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except (av.FFmpegError, OSError) as error:
            seconds = self._seconds(packet.pts)
            place = "at its end" if seconds is None else f"near {seconds:.2f} s"
            self.damage.report(f"{self._name}: a packet {place} is damaged", error.strerror)
            return
        for frame in frames:
            yield self._decoded(frame)

    def _decoded(self, frame: Any) -> Decoded:
        base = frame.time_base or self._video.time_base
        step = float(1 / self.rate) if self.rate else 0.04
        seconds = self._seconds(frame.pts)
        if seconds is None:
            # A stream without times, such as raw H.264.
            seconds = 0.0 if self._last is None else self._last + step
            frame.pts, frame.time_base = round(seconds / base), base
        number = self._numbering.number(frame.pts)
        if frame.is_corrupt:
            self.damage.report(f"{self._name}: frame {number} at {seconds:.3f} s is damaged in part", "but shown")
        self._last = seconds
        picture = AvPicture(frame, Turn.of(frame), self._video.sample_aspect_ratio or None)
        return Decoded(number, seconds, picture, frame.pts, Fraction(base), int(getattr(frame, "duration", 0) or 0))

    def _seconds(self, pts: int | None) -> float | None:
        return None if pts is None else float(pts * self._video.time_base) - self._origin

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _open(opening: Opening) -> Any:
    av = av_module()
    try:
        return av.open(
            opening.source,
            "r",
            format=opening.form,
            options=dict(opening.options),
            timeout=opening.timeout,
            metadata_errors="replace",
        )
    except av.error.ExitError as error:
        raise VideoError(f"{opening.name}: no answer within {opening.timeout:g} s") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{opening.name}: cannot be opened as video ({problem})") from error
