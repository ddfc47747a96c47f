"""One pass of ``mtcnn-fast detect`` over its inputs."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator

import typer

from mtcnn_fast._types import Image
from mtcnn_fast.cli.inputs import Inputs, Source, read_source
from mtcnn_fast.cli.output import Record, printable
from mtcnn_fast.cli.pictures import Pictures
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import ImageError, MtcnnFastError
from mtcnn_fast.faces import Faces


class Run:
    """Detects in each input and keeps count.

    Parameters
    ----------
    detector : Detector
    inputs : Inputs
    pictures : Pictures or None
        What to write for each image.

    Attributes
    ----------
    failures : list of Record
        The records that have an error.
    """

    def __init__(self, detector: Detector, inputs: Inputs, pictures: Pictures | None) -> None:
        self.inputs = inputs
        self.failures: list[Record] = []
        self._detector = detector
        self._pictures = pictures
        self._images = 0
        self._faces = 0
        self._start = time.perf_counter()

    def records(self) -> Iterator[Record]:
        """Yield a record for each input, in their order, while at most a batch of images is held."""
        for record in self._settled():
            self._images += record.faces is not None
            self._faces += len(record.faces or ())
            if record.error is not None:
                self.failures.append(record)
            yield record

    def _settled(self) -> Iterator[Record]:
        # Read, but without a result yet. What could not be read waits for its turn among the others.
        pending: deque[tuple[str, Image | ImageError]] = deque()

        def images() -> Iterator[Image]:
            for source in self.inputs:
                image = self._read(source)
                pending.append((source.path, image))
                if not isinstance(image, ImageError):
                    yield image

        for faces in self._detector.detect_iter(images()):
            path, image = pending.popleft()
            while isinstance(image, ImageError):
                yield Record(path, None, str(image))
                path, image = pending.popleft()
            yield Record(path, faces, self._write(path, image, faces))
        for path, error in pending:
            yield Record(path, None, str(error))

    def _read(self, source: Source) -> Image | ImageError:
        if source.error is not None:
            return ImageError(source.error)
        try:
            return read_source(source.path, self._detector.config.max_pixels)
        except ImageError as error:
            # The path is told beside the error.
            return ImageError(str(error).removeprefix(f"image file {source.path!r} "))

    def _write(self, path: str, image: Image, faces: Faces) -> str | None:
        """Write the pictures of an image; return what went wrong."""
        if self._pictures is None:
            return None
        try:
            self._pictures.save(path, image, faces)
        except (OSError, MtcnnFastError) as error:
            return f"its pictures could not be written: {error}"
        return None

    def report(self) -> None:
        """Tell on standard error what failed and, on a terminal, how much was done."""
        if sys.stderr.isatty():
            seconds = time.perf_counter() - self._start
            counts = f"{_plural(self._images, 'image')}, {_plural(self._faces, 'face')} in {seconds:.1f} s"
            written = "" if self._pictures is None else f"; pictures in {printable(str(self._pictures.folder))}"
            typer.echo(f"{counts} ({self._images / seconds:.1f} images/s){written}", err=True)
        if self.failures:
            typer.echo(f"mtcnn-fast: {_plural(len(self.failures), 'input')} failed:", err=True)
        for record in self.failures:
            typer.echo(f"  {printable(record.path)}: {printable(record.error or '')}", err=True)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
