"""The data sets named in a configuration, read and divided into what is trained on and what is held out."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mtcnn_fast import datasets as data
from mtcnn_fast._paths import is_file
from mtcnn_fast.checks import Choice, Count, Instance, Maybe
from mtcnn_fast.datasets.drawn import draw_faces
from mtcnn_fast.datasets.landmark_lists import FORMS, LandmarkForm
from mtcnn_fast.datasets.records import FaceRecord, present
from mtcnn_fast.errors import ConfigError, DataError, file_error, missing_file

#: Formats of annotations and their readers, which take the annotation and the folder of images.
READERS: Mapping[str, Callable[..., Iterator[FaceRecord]]] = {
    "celeba": data.read_celeba,
    "coco": data.read_coco,
    "fddb": data.read_fddb_records,
    "landmark_list": data.read_landmark_list,
    "retinaface": data.read_retinaface,
    "widerface": data.read_widerface_records,
}
#: Pictures that are drawn, not read.
DRAWN = "drawn"


@dataclasses.dataclass(frozen=True, slots=True)
class DataSource:
    """One data set.

    Attributes
    ----------
    format : str
        A key of `READERS`, or ``drawn``.
    annotation, images : str
        File (or folder) and folder, relative to the root of the data.
    count : int or None
        How many images to take, the first ones; None takes all. For ``drawn``: how many to draw.
    allow_missing : bool
        Leave out images that are not there, rather than refuse.
    pseudo_landmarks : str or None
        Folder, relative to the root of the data, of landmarks that a detector put on these images; see
        `mtcnn_fast.datasets.with_pseudo_landmarks`.
    form : {"box", "points", "mtfl"} or None
        What a row of a ``landmark_list`` holds; None takes ``box`` or ``points``, by the number of columns.

    Raises
    ------
    ConfigError
        If a value is not accepted.
    """

    format: str
    annotation: str = ""
    images: str = ""
    count: int | None = None
    allow_missing: bool = False
    pseudo_landmarks: str | None = None
    form: LandmarkForm | None = None

    def __post_init__(self) -> None:
        Choice((*READERS, DRAWN))("format", self.format)
        needed = () if self.format == DRAWN else ("annotation", "images")
        for name in needed:
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigError(f"{name} must be a path, got {getattr(self, name)!r}")
        Maybe(Count())("count", self.count)
        if self.format == DRAWN and self.count is None:
            raise ConfigError("count must say how many pictures to draw")
        if self.pseudo_landmarks is not None:
            Instance(str, "a folder")("pseudo_landmarks", self.pseudo_landmarks)
        if self.form is not None:
            Choice(tuple(FORMS))("form", self.form)
            if self.format != "landmark_list":
                raise ConfigError(f"form is for format landmark_list, got format {self.format!r}")

    def records(self, root: Path, out: Path, seed: int) -> list[FaceRecord]:
        """Read the records.

        Parameters
        ----------
        root : Path
            What paths are relative to.
        out : Path
            Where drawn pictures go.
        seed : int
            Of drawn pictures.

        Raises
        ------
        DataError
            If an annotation is not of its form, an image is missing, or there is none at all.
        """
        if self.format == DRAWN:
            return draw_faces(out, self.count or 0, seed=seed)
        annotation = root / self.annotation
        more = {} if self.form is None else {"form": self.form}
        found = READERS[self.format](annotation, root / self.images, **more)
        there = present(found) if self.allow_missing else found
        records = list(itertools.islice(there, self.count))
        if self.pseudo_landmarks is not None:
            records = list(data.with_pseudo_landmarks(records, root / self.pseudo_landmarks))
        for record in records:
            if not is_file(record.path):
                named = f"no such image, which {annotation} names; allow_missing = true leaves it out"
                raise file_error(DataError, missing_file(record.path), named, record.path)
        if not records:
            raise DataError("there are no images of this annotation", annotation)
        return records


@dataclasses.dataclass(frozen=True, slots=True)
class DataOptions:
    """All data sets.

    Attributes
    ----------
    sets : tuple of DataSource
    root : Path
        What their paths are relative to.
    held_out : float
        Share of the images that is not trained on.
    """

    sets: tuple[DataSource, ...]
    root: Path
    held_out: float = 0.1

    def records(self, out: Path, seed: int) -> tuple[list[FaceRecord], list[FaceRecord]]:
        """Return the records to train on and those held out; `out` and `seed` are for drawn pictures."""
        found = [record for source in self.sets for record in source.records(self.root, out, seed)]
        return data.split(found, self.held_out)
