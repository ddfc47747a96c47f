"""CelebA: boxes, five landmarks and partitions of its images in the wild (Liu et al. 2015)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mtcnn_fast._paths import exists
from mtcnn_fast.datasets.detections import widths_to_corners
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import TextFile, first_word
from mtcnn_fast.errors import ConfigError, DataError

Partition = Literal["train", "val", "test"]
_TRAIN: tuple[Partition, ...] = ("train",)

BOXES = "list_bbox_celeba.txt"
LANDMARKS = "list_landmarks_celeba.txt"
PARTITIONS = "list_eval_partition.txt"

_BOX_HEADING = "image_id x_1 y_1 width height"
_LANDMARK_HEADING = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)


def read_celeba(
    folder: str | os.PathLike[str], images: str | os.PathLike[str], partitions: Collection[Partition] = _TRAIN
) -> Iterator[FaceRecord]:
    """Read the annotation of the images in the wild (those of the aligned and cropped images have no boxes).

    Parameters
    ----------
    folder : path-like or str
        ``Anno``, with ``list_bbox_celeba.txt`` and ``list_landmarks_celeba.txt``; ``list_eval_partition.txt`` lies in
        it, or beside it in ``Eval``.
    images : path-like or str
        ``img_celeba``.
    partitions : collection of {"train", "val", "test"}

    Yields
    ------
    FaceRecord
        One face an image. Others in the same image are not annotated, hence `FaceRecord.complete` is False.

    Raises
    ------
    ConfigError
        If a partition is unknown.
    DataError
        If a file is missing or not of this form, or they differ in their images; it names file and line.
    """
    names = get_args(Partition)
    if unknown := [name for name in partitions if name not in names]:
        raise ConfigError(f"partitions must be of {', '.join(names)}, got {unknown[0]!r}")
    wanted = {names.index(name) for name in partitions}
    root, pictures = Path(folder), Path(images)
    boxes, landmarks = _List(root / BOXES, _BOX_HEADING, 4), _List(root / LANDMARKS, _LANDMARK_HEADING, 10)
    beside = root.parent / "Eval" / PARTITIONS
    parts = _List(beside if exists(beside) and not exists(root / PARTITIONS) else root / PARTITIONS, None, 1)
    if boxes.count != landmarks.count:
        message = f"the file announces {landmarks.count} rows, {BOXES} {boxes.count}"
        raise DataError(message, root / LANDMARKS, 1)
    for _ in range(boxes.count):
        name, box = boxes.next()
        points = landmarks.next(name)[1]
        part = parts.next(name)[1][0]
        if part not in range(len(names)):
            raise parts.file.error(f"a partition must be 0 (train), 1 (val) or 2 (test), got {part:g}")
        if part in wanted:
            corners = widths_to_corners(np.array([box])).astype(np.float32)
            marks = np.array(points, np.float32).reshape(1, 5, 2)
            yield FaceRecord(pictures / name, corners, marks, complete=False)
    for rest in (boxes, landmarks, parts):
        rest.end()


class _List:
    """A file with a number of rows and a heading, or neither, and a row ``NAME numbers`` for each image."""

    def __init__(self, path: Path, heading: str | None, columns: int) -> None:
        self.file = TextFile(path)
        self._columns = columns
        self._form = f"the image and {columns} numbers" if heading is None else heading
        self.count = 0
        if heading is not None:
            self.count = self.file.count("the number of images")
            found = self.file.take(f"the heading {heading!r}")
            if found.split() != heading.split():
                raise self.file.error(f"the heading must be {heading!r}, got {found!r}")

    def next(self, expected: str | None = None) -> tuple[str, list[float]]:
        """Read a row, which must be that of the image `expected` if one is given."""
        name, rest = first_word(self.file.take(f"a row ({self._form})"))
        if expected is not None and name != expected:
            raise self.file.error(f"the row must be that of {expected!r} as in {BOXES}, got {name!r}")
        return name, self.file.numbers(rest, self._columns, self._form)

    def end(self) -> None:
        """Check that all has been read."""
        if not self.file.at_end:
            self.file.take("the end of the file")
            raise self.file.error("there are more rows than the first line of the file announces")
