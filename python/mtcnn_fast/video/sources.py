"""What can be read as a video: files, animations, sequences of images, cameras and streams."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from mtcnn_fast.errors import ConfigError, VideoError
from mtcnn_fast.video.live import Reconnecting
from mtcnn_fast.video.reader import AvReader, Damage, Item, Opening
from mtcnn_fast.video.reading import Reading
from mtcnn_fast.video.stills import Animation, ImageSequence, is_picture, sequence_paths

#: Schemes of what cannot wait and has no end of its own.
LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt", "mms"})

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_CAMERA = re.compile(r"camera:(.+)", re.IGNORECASE)


class Source(Protocol):
    """A video that is being read."""

    is_live: bool
    damage: Damage
    rate: Fraction | None
    duration: float | None
    sounds: list[Any]

    @property
    def frames(self) -> int | None:
        """About how many frames are read, if that is known."""

    def __iter__(self) -> Iterator[Item]:
        """Yield frames, and packets of audio if they were asked for."""

    def cancel(self) -> None:
        """Ask the iteration to end; another thread may call this."""

    def close(self) -> None:
        """Close what is open."""


class FileReader(AvReader):
    """A video that has an end."""

    is_live = False

    def cancel(self) -> None:
        """Do nothing: the next frame comes soon."""


def open_source(source: object, reading: Reading, *, max_pixels: int, with_sound: bool = False) -> Source:
    """Open a video.

    Parameters
    ----------
    source : str, path-like, file object, bytes, int or sequence of paths
        A file; an address; a folder or pattern of images; the number of a camera, or ``"camera:NAME"``.
    reading : Reading
    max_pixels : int
        Larger pictures are refused.
    with_sound : bool
        Whether packets of audio are handed out too.

    Raises
    ------
    ConfigError
        If `source` is none of these.
    VideoError
        If it cannot be opened.
    MissingExtraError
        If it needs PyAV, which is not installed.
    """
    span: dict[str, Any] = {"start": reading.start, "stop": reading.stop}
    if isinstance(source, (list, tuple)):
        if not source or not all(isinstance(item, (str, os.PathLike)) for item in source):
            raise ConfigError("source must name at least one image file if it is a list, and nothing but files")
        return ImageSequence(source, reading.fps, max_pixels=max_pixels, **span)
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    if isinstance(source, os.PathLike):
        source = os.fsdecode(source)
    if isinstance(source, int) and not isinstance(source, bool) and source >= 0:
        source = f"camera:{source}"
    if isinstance(source, str):
        return _open_named(source, reading, span, max_pixels, with_sound)
    if hasattr(source, "read"):
        name = f"the {type(source).__name__} object"
        if _is_picture_object(source):
            return Animation(source, name, max_pixels=max_pixels, **span)
        return FileReader(Opening(source), with_sound=with_sound, **span)
    raise ConfigError(
        "source must be a path, an address, a file object, bytes, the number of a camera or a list of image files, "
        f"got {source!r:.100} ({type(source).__name__})"
    )


def _open_named(source: str, reading: Reading, span: dict[str, Any], max_pixels: int, with_sound: bool) -> Source:
    camera = _CAMERA.fullmatch(source)
    if camera or source.startswith("/dev/video"):
        opening = _camera(camera.group(1) if camera else source, reading.timeout)
        return Reconnecting(lambda: AvReader(opening, with_sound=False), opening.name, reading)
    scheme = _SCHEME.match(source)
    if scheme is not None and scheme.group(1).lower() != "file":
        return _open_address(source, scheme.group(1).lower(), reading, span, with_sound)
    paths = sequence_paths(source)
    if paths is not None:
        return ImageSequence(paths, reading.fps, max_pixels=max_pixels, **span)
    try:
        with Path(source).open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise VideoError(f"{source}: {(error.strerror or str(error)).lower()}") from error
    if is_picture(head):
        return Animation(source, source, max_pixels=max_pixels, **span)
    return FileReader(Opening(source), with_sound=with_sound, **span)


def _open_address(source: str, scheme: str, reading: Reading, span: dict[str, Any], with_sound: bool) -> Source:
    options = {}
    if scheme in ("http", "https"):
        # FFmpeg asks again for the rest of a file that broke off.
        delay = str(max(1, round(reading.reconnect / 2)))
        options = {"reconnect": "1", "reconnect_on_network_error": "1", "reconnect_delay_max": delay}
        if reading.reconnect == 0:
            options = {}
    elif scheme in ("rtsp", "rtsps"):
        # Over UDP a lost packet is a damaged picture.
        options = {"rtsp_transport": "tcp"}
    live = scheme in LIVE_SCHEMES
    if live:
        opening = Opening(source, options=options, timeout=reading.timeout, is_live=True)
        return Reconnecting(lambda: AvReader(opening, with_sound=with_sound), source, reading)
    opening = Opening(source, options=options, timeout=reading.timeout)
    first = FileReader(opening, with_sound=with_sound, **span)
    if first.duration is not None:
        return first
    # Without a length it is a stream, which begins anew wherever it is opened again.
    first.close()
    opening = Opening(source, timeout=reading.timeout, is_live=True)
    return Reconnecting(lambda: AvReader(opening, with_sound=with_sound), source, reading)


def _camera(name: str, timeout: float | None) -> Opening:
    """Return how a camera is opened, by its number or the name that the system has for it."""
    if sys.platform == "darwin":
        return Opening(name, form="avfoundation", options={"framerate": "30"}, timeout=timeout, is_live=True)
    if sys.platform == "win32":
        return Opening(f"video={name}", form="dshow", timeout=timeout, is_live=True)
    path = f"/dev/video{name}" if name.isdigit() else name
    return Opening(path, form="v4l2", timeout=timeout, is_live=True)


def _is_picture_object(source: Any) -> bool:
    try:
        place = source.tell()
        head = source.read(16)
        source.seek(place)
    except (OSError, AttributeError, ValueError):
        return False
    return isinstance(head, bytes) and is_picture(head)
