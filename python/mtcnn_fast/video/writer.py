"""Writing videos anew: the times, colours and sound of what was read, and in the frames only what was drawn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from mtcnn_fast._types import Image
from mtcnn_fast.errors import ConfigError, VideoError
from mtcnn_fast.files import partial_path
from mtcnn_fast.video.frames import Decoded
from mtcnn_fast.video.planes import COMMON, av_module, even, frame_of, in_planes, merged, planes_of
from mtcnn_fast.video.reader import AvPicture, Sound
from mtcnn_fast.video.still_writers import AnimationWriter, SequenceWriter

#: Format and encoder by the ending of a file.
FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        ".mp4": ("mp4", "libx264"),
        ".m4v": ("mp4", "libx264"),
        ".mov": ("mov", "libx264"),
        ".mkv": ("matroska", "libx264"),
        ".webm": ("webm", "libvpx-vp9"),
        ".avi": ("avi", "libx264"),
        ".ts": ("mpegts", "libx264"),
    }
)

#: Endings of animations, with Pillow's names of the formats.
ANIMATIONS = MappingProxyType({".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"})

#: Constant quality by encoder where none is given: visually close to the source.
QUALITY = MappingProxyType({"libx264": 20, "libx265": 22, "libvpx-vp9": 30, "libsvtav1": 30, "libaom-av1": 30})

_BT601, _LIMITED = 5, 1

#: Formats in which frames that are stored out of their order would be shown later than they were.
_WITHOUT_REORDERING = frozenset({"mpegts", "avi"})


class Writer(Protocol):
    """Writes frames to one place."""

    frames: int

    def write(self, frame: Decoded, drawn: Image | None) -> None:
        """Write a frame: as it was decoded, or what was drawn on it."""

    def sound(self, sound: Sound) -> None:
        """Write a packet of audio."""

    def finish(self) -> None:
        """Complete the file and give it its name."""

    def discard(self) -> None:
        """Leave nothing."""


def make_writer(
    path: Path, *, rate: Fraction | None, sounds: Sequence[Any], codec: str | None, quality: int | None, shifts: bool
) -> Writer:
    """Return what writes a file of this name.

    Parameters
    ----------
    path : Path
        Its ending chooses the format: a key of `FORMATS` or of `ANIMATIONS`, or an image's with a number as in
        ``frames/%05d.png``.
    rate : Fraction or None
        Frames a second, for the file's header.
    sounds : sequence of av.AudioStream
        Streams whose packets will be written.
    codec : str or None
        Encoder of FFmpeg; None takes that of `FORMATS`.
    quality : int or None
        Constant quality of the encoder, less is better; None takes that of `QUALITY`.
    shifts : bool
        Whether times are to begin at 0 with the first frame.

    Raises
    ------
    ConfigError
        If the ending is none of these, or there is no such encoder.
    """
    ending = path.suffix.lower()
    if "%" in path.name:
        return SequenceWriter(path)
    if ending in ANIMATIONS:
        return AnimationWriter(path, ANIMATIONS[ending])
    if ending not in FORMATS:
        accepted = ", ".join([*FORMATS, *ANIMATIONS])
        raise ConfigError(
            f"out must end in {accepted}, or be numbered images such as frames/%05d.png; got {path.name!r}"
        )
    form, usual = FORMATS[ending]
    return VideoWriter(path, form, codec or usual, rate=rate, sounds=sounds, quality=quality, shifts=shifts)


class VideoWriter:
    """Encodes frames by PyAV and copies packets of audio.

    The file gets its name when it is complete. Parameters are those of `make_writer`.
    """

    def __init__(
        self,
        path: Path,
        form: str,
        codec: str,
        *,
        rate: Fraction | None,
        sounds: Sequence[Any],
        quality: int | None,
        shifts: bool,
    ) -> None:
        av = av_module()
        try:
            encoder = av.Codec(codec, "w")
        except ValueError:
            encoder = None
        if encoder is None or encoder.type != "video":
            raise ConfigError(f"codec must be a video encoder of FFmpeg that PyAV has, such as libx264; got {codec!r}")
        self.frames = 0
        self._formats = [form.name for form in encoder.video_formats or ()]
        self._path = path
        self._codec, self._quality, self._shifts = codec, quality, shifts
        self._partial = partial_path(path)
        with self._naming():
            self._container = av.open(str(self._partial), "w", format=form)
        self._check_sounds(sounds)
        # Now, while what is read is open; the size follows with the first frame.
        self._stream = self._container.add_stream(codec, rate=rate or 25)
        self._sounds = {sound.index: self._container.add_stream_from_template(sound) for sound in sounds}
        self._early: list[Sound] = []
        self._first: Decoded | None = None
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None

    def _check_sounds(self, sounds: Sequence[Any]) -> None:
        for sound in sounds:
            name = sound.codec_context.codec.canonical_name
            if name not in self._container.supported_codecs:
                self.discard()
                raise VideoError(
                    f"{self._path}: {self._path.suffix} holds no audio of the kind {name}; .mkv holds every kind"
                )

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Say which file cannot be written, and leave nothing of it."""
        av = av_module()
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            self.discard()
            problem = getattr(error, "strerror", None) or str(error)
            raise VideoError(f"{self._path}: cannot be written ({problem})") from error

    def write(self, frame: Decoded, drawn: Image | None) -> None:
        """Encode a frame.

        Raises
        ------
        VideoError
            If the file cannot be written.
        """
        with self._naming():
            picture = self._accepted(_in_planes(frame, drawn))
            if self._first is None:
                self._start(frame, picture)
            stream = self._stream
            if (picture.width, picture.height, picture.format.name) != (stream.width, stream.height, stream.pix_fmt):
                # A stream may change its size; a file keeps that of its first frame.
                picture = picture.reformat(stream.width, stream.height, stream.pix_fmt)
            picture.time_base = stream.codec_context.time_base
            picture.pts = self._in_order(frame)
            # A decoded frame's kind would be taken for a wish.
            picture.pict_type = 0
            self._durations[picture.pts] = frame.duration
            self._mux(stream.encode(picture))
            self.frames += 1

    def _accepted(self, picture: Any) -> Any:
        """Return a frame in a format that the encoder takes."""
        name = picture.format.name
        if not self._formats or name in self._formats:
            return picture
        plain = name.replace("yuvj", "yuv")
        if plain in self._formats:
            # The same samples, whose range is named apart.
            return frame_of(planes_of(picture), picture, plain)
        return picture.reformat(format=COMMON if COMMON in self._formats else self._formats[0])

    def _in_order(self, frame: Decoded) -> int:
        assert self._first is not None
        ratio = frame.time_base / self._stream.codec_context.time_base
        pts: int = round((frame.pts - (self._first.pts if self._shifts else 0)) * ratio)
        # Two frames of one time would stop the encoder.
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        self._last_pts = pts
        return pts

    def _start(self, frame: Decoded, picture: Any) -> None:
        self._first = frame
        stream = self._stream
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.format.name
        context = stream.codec_context
        context.time_base = frame.time_base
        if self._container.format.name in _WITHOUT_REORDERING:
            context.max_b_frames = 0
        quality = QUALITY.get(self._codec) if self._quality is None else self._quality
        if quality is not None:
            context.options = {"crf": str(quality), **({"b": "0"} if self._codec == "libvpx-vp9" else {})}
        self._copy_colours(context, frame)
        for sound in self._early:
            self.sound(sound)
        self._early.clear()

    def _copy_colours(self, context: Any, frame: Decoded) -> None:
        source = frame.picture.frame if isinstance(frame.picture, AvPicture) else None
        if source is None:
            context.colorspace, context.color_range = _BT601, _LIMITED
            return
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            value = getattr(source, name, None)
            if value is not None:
                setattr(context, name, int(value))
        aspect = frame.picture.aspect if isinstance(frame.picture, AvPicture) else None
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if frame.picture.turn.swaps else aspect  # type: ignore[attr-defined]

    def sound(self, sound: Sound) -> None:
        """Copy a packet of audio, from the time of the first frame on.

        Raises
        ------
        VideoError
            If the file cannot be written.
        """
        if self._first is None:
            self._early.append(sound)
            return
        packet = sound.packet
        if self._shifts:
            if sound.seconds is None or sound.seconds < self._first.seconds:
                return
            ticks = round(self._first.pts * self._first.time_base / packet.time_base)
            packet.pts -= ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
        with self._naming():
            packet.stream = self._sounds[sound.stream]
            self._container.mux(packet)

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts, 0)
            if duration:
                packet.duration = duration
            self._container.mux(packet)

    def finish(self) -> None:
        """Encode what the encoder still holds, complete the file and give it its name.

        Raises
        ------
        VideoError
            If there was no frame, or the file cannot be written.
        """
        if self._first is None:
            self.discard()
            raise VideoError(f"{self._path}: nothing to write, as there was no frame")
        with self._naming():
            self._mux(self._stream.encode())
            self._container.close()
            self._partial.replace(self._path)

    def discard(self) -> None:
        """Close and remove the file that is not complete."""
        av = av_module()
        if hasattr(self, "_container"):
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                self._container.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)


def _in_planes(frame: Decoded, drawn: Image | None) -> Any:
    """Return an upright frame for the encoder, changed only where something was drawn."""
    av = av_module()
    if not isinstance(frame.picture, AvPicture):
        pixels = frame.picture.pixels() if drawn is None else drawn
        height, width = pixels.shape[:2]
        padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        return rgb.reformat(format=COMMON, dst_colorspace=_BT601, dst_color_range=_LIMITED)
    upright = frame.picture.turn.frame(in_planes(frame.picture.frame))
    if drawn is not None:
        upright = merged(upright, frame.picture.pixels(), drawn)
    return even(upright)
