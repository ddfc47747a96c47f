"""The part of `mtcnn_fast.Detector` that goes through videos and streams of frames."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mtcnn_fast._types import Color, Floats, Image, Layout, ValueRange
from mtcnn_fast.backends import batch_size
from mtcnn_fast.cascade_parts import CascadeParts
from mtcnn_fast.checks import Count, Number
from mtcnn_fast.errors import ConfigError

if TYPE_CHECKING:
    from mtcnn_fast.backends.shared import SharedBackend
    from mtcnn_fast.faces import Faces
    from mtcnn_fast.video import Tracker, Tracking, VideoFrame
    from mtcnn_fast.video.finding import Reader
    from mtcnn_fast.video.reader import Sound

#: Frames a second of a stream for which none are given.
STREAM_RATE = 30.0


class MovingPictures(CascadeParts):
    """Methods of `mtcnn_fast.Detector` on moving pictures."""

    def _sharing(self, **changes: Any) -> SharedBackend:
        """Make a backend with changed settings."""
        raise NotImplementedError

    def detect_video(
        self,
        source: Any,
        *,
        stride: int = 1,
        start: float | None = None,
        stop: float | None = None,
        track: bool | Tracking = False,
        fps: float | None = None,
        timeout: float | None = 10.0,
        reconnect: float = 30.0,
    ) -> Iterator[VideoFrame]:
        """Find the faces in the frames of a video, one after the other.

        Another thread decodes, a few frames ahead. Frames of a live source are dropped where the detection is slower.

        Parameters
        ----------
        source : str, path-like, file object, bytes, int or list of paths
            A video file; an animated GIF, WebP, PNG or AVIF; an address (``http://``, ``rtsp://``, ...); the number of
            a camera or ``"camera:NAME"``; a folder, a pattern (``"frames/*.png"``, ``"frames/%05d.png"``) or a list of
            images.
        stride : int
            Take each n-th frame, at least 1.
        start, stop : float or None
            Seconds since the video's start: the first frame that is wanted, and the first that is not.
        track : bool or Tracking
            Give faces ids that stay the same from frame to frame. Settings say how, and may leave out the first network
            in most frames; see `mtcnn_fast.video.Tracking`.
        fps : float or None
            Frames a second of a sequence of images; 25 if None.
        timeout : float or None
            Seconds for which an address or a camera may be silent; ``None`` waits for ever.
        reconnect : float
            Seconds for which a live source that broke off is tried again; 0 does not try.

        Yields
        ------
        VideoFrame
            ``index``, ``seconds``, ``faces``, and ``image``, the upright picture, converted when it is read.

        Raises
        ------
        ConfigError
            If an argument is not accepted.
        VideoError
            If the source cannot be opened or read, or holds no video.
        MissingExtraError
            If PyAV is needed and not installed.
        BackendError
            If the detector is closed, or the backend fails.

        Notes
        -----
        A damaged packet is reported as a warning of the logger ``mtcnn_fast``, and skipped.
        """
        from mtcnn_fast.video.finding import Reader
        from mtcnn_fast.video.reading import Reading
        from mtcnn_fast.video.sources import open_source

        reading = Reading(start=start, stop=stop, fps=fps, timeout=timeout, reconnect=reconnect)
        step = Count()("stride", stride)
        tracker = self._tracker(track)
        self._shared.check_open()
        opened = open_source(source, reading, max_pixels=self._config.max_pixels)
        return self._through(Reader(opened, step), tracker, None)

    def detect_stream(
        self,
        frames: Iterable[Any],
        *,
        fps: float = STREAM_RATE,
        stride: int = 1,
        track: bool | Tracking = False,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
    ) -> Iterator[VideoFrame]:
        """Find the faces in frames from anywhere: a camera of another library, a renderer, a simulation.

        Each result is yielded before the next frame is asked for.

        Parameters
        ----------
        frames : iterable of images
            Anything that `mtcnn_fast.Detector.detect` accepts. They may differ in size.
        fps : float
            Frames a second, above 0, from which ``seconds`` follow.
        stride : int
            Take each n-th frame, at least 1.
        track : bool or Tracking
            As for `detect_video`.
        color, value_range, layout
            As for `mtcnn_fast.Detector.detect`.

        Yields
        ------
        VideoFrame
            As `detect_video` yields them.

        Raises
        ------
        ConfigError
            If an argument is not accepted.
        ImageError
            If a frame is not accepted; the message begins with its place, such as ``frames[3]``.
        BackendError
            If the detector is closed, or the backend fails.
        """
        rate = Number(0, open_low=True)("fps", fps)
        step = Count()("stride", stride)
        tracker = self._tracker(track)
        self._shared.check_open()
        try:
            items = iter(frames)
        except TypeError as error:
            raise ConfigError(f"frames must be an iterable of images, got {type(frames).__name__}") from error
        return self._along(items, rate, step, tracker, {"color": color, "value_range": value_range, "layout": layout})

    @property
    def _batch_size(self) -> int:
        with self._shared.lent() as backend:
            return batch_size(backend.name)

    def _tracker(self, track: bool | Tracking) -> Tracker | None:
        if track is False:
            return None
        from mtcnn_fast.video import Tracker, Tracking

        if track is not True and not isinstance(track, Tracking):
            raise ConfigError(
                f"track must be True, False or mtcnn_fast.video.Tracking, got {track!r:.100} ({type(track).__name__})"
            )
        settings = Tracking() if track is True else track
        high = self._config.thresholds[2] if settings.high is None else settings.high
        return Tracker(dataclasses.replace(settings, high=high))

    @contextlib.contextmanager
    def _finder(self, tracker: Tracker | None) -> Iterator[_Finder]:
        """Lend what finds faces: with the tracker's lower threshold where it has one."""
        first, second, last = self._config.thresholds
        if tracker is None or tracker.settings.low >= last:
            yield _Finder(self._shared, self._shared, self._config.max_pixels)
            return
        # Faces with higher scores are the same: they suppress those with lower ones, not the other way round.
        shared = self._sharing(thresholds=(first, second, tracker.settings.low))
        try:
            yield _Finder(shared, self._shared, self._config.max_pixels)
        finally:
            shared.close()

    def _through(
        self, reader: Reader, tracker: Tracker | None, on_sound: Callable[[Sound], None] | None
    ) -> Iterator[VideoFrame]:
        from mtcnn_fast.video.finding import find, without_sound

        at_once = 1 if reader.source.is_live else self._batch_size
        with self._finder(tracker) as finder, reader.items() as items:
            yield from find(without_sound(items, on_sound), finder, tracker, at_once=at_once)

    def _along(
        self, items: Iterator[Any], rate: float, step: int, tracker: Tracker | None, arguments: dict[str, Any]
    ) -> Iterator[VideoFrame]:
        from fractions import Fraction

        from mtcnn_fast.errors import ImageError
        from mtcnn_fast.video.finding import find
        from mtcnn_fast.video.frames import Decoded, Still

        base = 1 / Fraction(rate).limit_denominator(1001)

        def decoded() -> Iterator[Decoded]:
            for index, item in enumerate(items):
                if index % step == 0:
                    try:
                        image = self._load(item, **arguments)
                    except ImageError as error:
                        raise ImageError(f"frames[{index}]: {error}") from error
                    yield Decoded(index, index / rate, Still(image), index, base, 1)

        with self._finder(tracker) as finder:
            yield from find(decoded(), finder, tracker)


def frames_and_sound(
    detector: MovingPictures, reader: Reader, track: bool | Tracking, on_sound: Callable[[Sound], None]
) -> Iterator[VideoFrame]:
    """Find the faces in a source that is open, and hand its packets of audio to a function as they come.

    Parameters
    ----------
    detector : Detector
    reader : Reader
    track : bool or Tracking
    on_sound : callable

    Yields
    ------
    VideoFrame
        As `MovingPictures.detect_video` yields them; errors are the same.
    """
    return detector._through(reader, detector._tracker(track), on_sound)


class _Finder:
    """A backend as `mtcnn_fast.video.finding.Finder`, as long as the detector is open."""

    def __init__(self, shared: SharedBackend, owner: SharedBackend, max_pixels: int) -> None:
        self._shared = shared
        self._owner = owner
        self.max_pixels = max_pixels

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        self._owner.check_open()
        with self._shared.lent() as backend:
            return backend.detect(images)

    def refine(self, image: Image, boxes: Floats) -> Faces:
        self._owner.check_open()
        with self._shared.lent() as backend:
            return backend.refine([image], [boxes])[0]
