"""`FaceRecord`: the annotated faces of one image, in the form that every data set is read into."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import is_file
from mtcnn_fast._types import Bools, Floats, Indices
from mtcnn_fast.errors import DataError


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """The annotated faces of one image.

    Attributes
    ----------
    path : Path
        The image.
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels, with ``x2 = x + width`` of the annotation.
    landmarks : (N, 5, 2) float32
        Left eye, right eye, nose, left and right corner of the mouth as they appear in the image, x and y in pixels;
        NaN where unknown. ``None`` on construction means that none is known.
    ignored : (N,) bool
        Faces that are neither to be learned nor to be taken for background: those that the annotation marks as invalid
        or as a crowd, and every box without area. ``None`` on construction marks only the latter.
    size : (width, height) or None
        Of the image in pixels, where the annotation has it.
    complete : bool
        Whether every face of the image is annotated, so that the rest of it is background. Lists of landmarks usually
        have one face an image and do not mention others: their images yield no background.
    attributes : mapping of str to (N,) int64
        Further columns of the annotation, such as ``blur`` and ``occlusion`` of WIDER FACE.

    Raises
    ------
    DataError
        If shapes disagree, or a box or an infinite landmark is not a finite number.
    """

    path: Path
    boxes: Floats
    landmarks: Floats | None = None
    ignored: Bools | None = None
    size: tuple[int, int] | None = None
    complete: bool = True
    attributes: Mapping[str, Indices] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        count = len(boxes)
        landmarks = np.full((count, 5, 2), np.nan, np.float32)
        if self.landmarks is not None:
            landmarks = np.asarray(self.landmarks, np.float32).reshape(-1, 5, 2)
        ignored = np.zeros(count, np.bool_) if self.ignored is None else np.asarray(self.ignored, np.bool_).reshape(-1)
        if not np.isfinite(boxes).all() or np.isinf(landmarks).any():
            raise DataError("boxes must be finite numbers, landmarks finite or NaN", self.path)
        rows = {"landmarks": landmarks, "ignored": ignored, **self.attributes}
        for name, array in rows.items():
            if len(array) != count:
                raise DataError(f"a record must have as many rows of each kind, got {count} boxes, {len(array)} {name}")
        put(self, "path", Path(self.path))
        put(self, "boxes", boxes)
        put(self, "landmarks", landmarks)
        put(self, "ignored", ignored | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1))

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def points(self) -> Floats:
        """The landmarks ``(N, 5, 2)``, NaN where unknown; never None."""
        assert self.landmarks is not None
        return self.landmarks

    @property
    def usable(self) -> Bools:
        """Which faces ``(N,)`` are not ignored."""
        assert self.ignored is not None
        return np.logical_not(self.ignored)

    @property
    def has_landmarks(self) -> Bools:
        """Which faces ``(N,)`` have all five landmarks."""
        return np.asarray(np.isfinite(self.points).all(axis=(1, 2)))


def present(records: Iterable[FaceRecord]) -> Iterator[FaceRecord]:
    """Yield the records whose image file is there, for data sets of which only a part is at hand."""
    return (record for record in records if is_file(record.path))
