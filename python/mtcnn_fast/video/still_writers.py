"""Writing videos as what Pillow knows: animations, and numbered images."""

from __future__ import annotations

import io
from pathlib import Path

from mtcnn_fast._types import Image
from mtcnn_fast.errors import ConfigError, VideoError
from mtcnn_fast.files import written_whole
from mtcnn_fast.video.frames import Decoded
from mtcnn_fast.video.reader import Sound

#: Quality of lossy images.
_QUALITY = 95


class AnimationWriter:
    """Collects the frames of an animated GIF, WebP or PNG, which is written at the end.

    Parameters
    ----------
    path : Path
    form : str
        Pillow's name of the format.
    """

    def __init__(self, path: Path, form: str) -> None:
        self._path, self._form = path, form
        self.frames = 0
        self._pictures: list[Image] = []
        self._times: list[float] = []
        self._last = 0.0

    def write(self, frame: Decoded, drawn: Image | None) -> None:
        """Keep a frame."""
        self._pictures.append(frame.picture.pixels() if drawn is None else drawn)
        self._times.append(frame.seconds)
        self._last = float(frame.duration * frame.time_base)
        self.frames += 1

    def sound(self, sound: Sound) -> None:
        """Leave out audio, which an animation cannot hold."""

    def finish(self) -> None:
        """Write the file.

        Raises
        ------
        VideoError
            If there was no frame, or the file cannot be written.
        """
        from PIL import Image as PilImage

        if not self._pictures:
            raise VideoError(f"{self._path}: nothing to write, as there was no frame")
        ends = [*self._times[1:], self._times[-1] + (self._last or 0.1)]
        # From rounded times, so that the rounding does not add up.
        durations = [round(1000 * end) - round(1000 * begin) for begin, end in zip(self._times, ends, strict=True)]
        first, *others = (PilImage.fromarray(picture) for picture in self._pictures)
        data = io.BytesIO()
        options = {"quality": _QUALITY} if self._form == "WEBP" else {}
        first.save(data, self._form, save_all=True, append_images=others, duration=durations, loop=0, **options)
        try:
            written_whole(self._path, data.getvalue())
        except OSError as error:
            raise VideoError(f"{self._path}: cannot be written ({error.strerror})") from error

    def discard(self) -> None:
        """Forget the frames."""
        self._pictures.clear()


class SequenceWriter:
    """Writes each frame as an image file.

    Parameters
    ----------
    path : Path
        With one place for the frame's number, such as ``frames/%05d.png``.

    Raises
    ------
    ConfigError
        If the number has no place in the name, or Pillow writes no such file.
    """

    def __init__(self, path: Path) -> None:
        from PIL import Image as PilImage

        try:
            name = path.name % 0
        except (TypeError, ValueError) as error:
            raise ConfigError(f"out must have one place for a number, such as %05d; got {path.name!r}") from error
        PilImage.init()
        if Path(name).suffix.lower() not in PilImage.EXTENSION or name == path.name:
            raise ConfigError(f"out must name image files such as %05d.png, got {path.name!r}")
        self._path = path
        self._form = PilImage.EXTENSION[Path(name).suffix.lower()]
        self.frames = 0

    def write(self, frame: Decoded, drawn: Image | None) -> None:
        """Write an image.

        Raises
        ------
        VideoError
            If it cannot be written.
        """
        from PIL import Image as PilImage

        target = self._path.with_name(self._path.name % frame.index)
        data = io.BytesIO()
        picture = PilImage.fromarray(frame.picture.pixels() if drawn is None else drawn)
        picture.save(data, self._form, **({"quality": _QUALITY} if self._form in ("JPEG", "WEBP") else {}))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            written_whole(target, data.getvalue(), sync=False)
        except OSError as error:
            raise VideoError(f"{target}: cannot be written ({error.strerror})") from error
        self.frames += 1

    def sound(self, sound: Sound) -> None:
        """Leave out audio, which images cannot hold."""

    def finish(self) -> None:
        """Do nothing: each image is complete."""

    def discard(self) -> None:
        """Keep the images, each of which is complete."""
