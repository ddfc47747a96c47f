"""One pass of ``mtcnn-fast detect`` over its inputs."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mtcnn_fast._types import Image
from mtcnn_fast.cli.inputs import read_source
from mtcnn_fast.cli.output import Record, printable
from mtcnn_fast.cli.streams import print_error
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import ImageError
from mtcnn_fast.listing import Source

if TYPE_CHECKING:
    from mtcnn_fast.faces import Faces


class Sink(Protocol):
    """What is done with each image and its faces, beside printing them."""

    @property
    def folder(self) -> Path | None:
        """Where pictures go, if any are written."""

    def save(self, path: str, image: Image, faces: Faces, whole: Faces) -> list[str]:
        """Use an image; return what went wrong.

        Parameters
        ----------
        path : str
        image : (H, W, 3) uint8
        faces : Faces
        whole : Faces
            The same faces, their boxes not cut to the image.
        """


class Run:
    """Detects in each input and keeps count.

    Parameters
    ----------
    detector : Detector
    inputs : iterable of Source
    sink : Sink or None
        What is done with each image.
    clip : bool
        Whether boxes are cut to the image.
    views : dict, optional
        What of each image is searched: arguments of `Detector.detect_iter`.

    Attributes
    ----------
    failures : list of Record
        The records that have an error.
    """

    def __init__(
        self,
        detector: Detector,
        inputs: Iterable[Source],
        sink: Sink | None,
        *,
        clip: bool = False,
        views: dict[str, Any] | None = None,
    ) -> None:
        self._inputs = inputs
        self._clip = clip
        self._views = views or {}
        self.failures: list[Record] = []
        self._detector = detector
        self._sink = sink
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
            for source in self._inputs:
                image = self._read(source)
                pending.append((source.path, image))
                if not isinstance(image, ImageError):
                    yield image

        for faces in self._detector.detect_iter(images(), on_error="return", **self._views):
            path, image = pending.popleft()
            while isinstance(image, ImageError):
                yield Record(path, None, str(image))
                path, image = pending.popleft()
            if isinstance(faces, ImageError):
                # Without the index, which counts what could be read.
                yield Record(path, None, str(faces.__cause__ or faces))
                continue
            found = faces.clip() if self._clip else faces
            problems = [] if self._sink is None else self._sink.save(path, image, found, faces)
            yield Record(path, found, "; ".join(problems) or None)
        for path, error in pending:
            yield Record(path, None, str(error))

    def _read(self, source: Source) -> Image | ImageError:
        if source.error is not None:
            return ImageError(source.error)
        try:
            return read_source(source.path, self._detector.config.max_pixels)
        except ImageError as error:
            # The path is printed beside the error.
            return ImageError(str(error).removeprefix(f"image file {source.path!r} "))

    def report(self) -> None:
        """Print on standard error what failed and, on a terminal, how much was done."""
        if sys.stderr.isatty():
            seconds = time.perf_counter() - self._start
            counts = f"{_plural(self._images, 'image')}, {_plural(self._faces, 'face')} in {seconds:.1f} s"
            folder = None if self._sink is None else self._sink.folder
            written = "" if folder is None else f"; pictures in {printable(str(folder))}"
            print_error(f"{counts} ({self._images / seconds:.1f} images/s){written}")
        if self.failures:
            print_error(f"mtcnn-fast: {_plural(len(self.failures), 'input')} failed:")
        for record in self.failures:
            print_error(f"  {printable(record.path)}: {printable(record.error or '')}")


def report_skipped(skipped: dict[str, list[str]]) -> None:
    """Print on standard error which files of folders and patterns were left out."""
    for reason, paths in skipped.items():
        more = "" if len(paths) == 1 else f" and {len(paths) - 1} more"
        print_error(f"mtcnn-fast: left out {printable(paths[0])}{more}: {reason}")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
