"""Short videos of known content, made by PyAV."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtcnn_fast._types import Image
from support.portrait import portrait

WIDTH, HEIGHT = 192, 144


def need_av() -> Any:
    """Return PyAV, or skip the test, naming it."""
    return pytest.importorskip("av", reason="reading and writing video needs av: pip install 'mtcnn-fast[video]'")


def scene(step: int, *, with_face: bool = True) -> Image:
    """Return a picture in which the portrait has moved by a number of pixels, before colours that show how it lies."""
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    # Red above left: a picture that is turned or mirrored shows it elsewhere.
    picture[:16, :16] = (220, 20, 30)
    if with_face:
        left = 20 + step % (WIDTH - 112 - 20)
        picture[24 : 24 + 112, left : left + 112] = portrait()
    return picture


def scenes(count: int, **settings: bool) -> list[Image]:
    return [scene(step, **settings) for step in range(count)]


def write_clip(
    path: Path,
    pictures: Iterable[Image],
    *,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: bool = False,
    options: dict[str, str] | None = None,
    matrix: int | None = None,
) -> Path:
    """Write a video, with a tone for each picture if it is to have sound."""
    av = need_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.pix_fmt = pixel_format
        stream.codec_context.options = {"crf": "12", "g": "10", "preset": "ultrafast"} | (options or {})
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.codec_context.time_base = time_base
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=pixel_format, dst_colorspace=matrix)
            frame.pts = number if times is None else times[number]
            frame.time_base = time_base
            container.mux(stream.encode(frame))
            if audio is not None:
                container.mux(audio.encode(_tone(av, number)))
        container.mux(stream.encode())
        if audio is not None:
            container.mux(audio.encode())
    return path


def _tone(av: Any, number: int) -> Any:
    wave = (np.sin(np.arange(640 * number, 640 * (number + 1)) / 9) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, 640 * number, Fraction(1, 16000)
    return frame


def turn_clip(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix into an MP4's first track header (ISO/IEC 14496-12, 8.3.2): a, b, c and d."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    data[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def decoded(path: Path) -> list[Any]:
    """Return the frames of a file as PyAV decodes them."""
    av = need_av()
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    """Return time and content of each packet of the first audio stream."""
    av = need_av()
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]
