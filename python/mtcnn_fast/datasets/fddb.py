"""FDDB: the annotated ellipses of its ten folds, and ROC files in the official form."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import matching
from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.image_files import image_file
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import TextFile, slashes
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.files import write_text

#: The longest side of every FDDB image.
SIDE = 450

_FOLD = re.compile(r"FDDB-fold-(\d+)-ellipseList\.txt")
_ROW = "major_radius minor_radius angle center_x center_y 1"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FddbImage:
    """The annotated faces of one image.

    Attributes
    ----------
    name : str
        Path without ending, such as ``2002/08/11/big/img_591``.
    fold : int
        1 to 10.
    ellipses : (N, 5) float64
        Major and minor radius in pixels, angle in radians, centre x and y.
    """

    name: str
    fold: int
    ellipses: Doubles

    def file(self, folder: str | os.PathLike[str]) -> Path:
        """Return the image's file in the folder with ``2002`` and ``2003``, see `image_file`."""
        return image_file(Path(folder), self.name, None)


def read_fddb_images(folder: str | os.PathLike[str]) -> list[FddbImage]:
    """Read the annotation.

    Parameters
    ----------
    folder : path-like or str
        ``FDDB-folds`` with its ``FDDB-fold-NN-ellipseList.txt``.

    Returns
    -------
    images : list of FddbImage
        In the order of the folds.

    Raises
    ------
    DataError
        If there is none, or one is not of this form.
    """
    images = []
    for path in matching(folder, "*.txt"):
        match = _FOLD.fullmatch(path.name)
        if match is None:
            continue
        file = TextFile(path)
        while not file.at_end:
            name = slashes(file.take("the name of an image"))
            rows = file.rows(file.count("the number of faces"), 5, _ROW, exact=False)
            images.append(FddbImage(name, int(match[1]), rows))
    if not images:
        raise file_error(DataError, missing_file(folder), "there is no FDDB-fold-NN-ellipseList.txt in it", folder)
    return images


def sizes_from_boxes(detections: Mapping[str, Detections]) -> dict[str, tuple[int, int]]:
    """Guess the sizes of images from the detections of a detector that cuts its boxes at the image's edge.

    The furthest right or lower edge of an image's boxes is taken for the image's own where it is a whole number, which
    is rare for any other edge of a box with a fractional part. It serves to score such detections when the images are
    not at hand.

    Parameters
    ----------
    detections : mapping of str to Detections
        By image.

    Returns
    -------
    sizes : dict of str to (width, height)
        For each image; `SIDE` where nothing can be told.
    """
    sizes = {}
    for name, found in detections.items():
        edges = found.boxes[:, 2:].max(axis=0) if len(found) else np.full(2, float(SIDE))
        whole = np.where(np.abs(edges - np.rint(edges)) < 2e-4, np.rint(edges), SIDE)
        sizes[name] = int(whole[0]), int(whole[1])
    return sizes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """A receiver operating characteristic as FDDB has it.

    Attributes
    ----------
    true_positive_rate : (N,) float64
        Faces found as a part of all faces, or with the continuous score the sum of overlaps.
    false_positives : (N,) float64
        Detections that find no face; a number, not a rate. It never falls.
    thresholds : (N,) float64 or None
        Scores at which the points are reached, falling, where they are known.
    """

    true_positive_rate: Doubles
    false_positives: Doubles
    thresholds: Doubles | None = None

    def at(self, false_positives: float | Doubles) -> Doubles:
        """Return the highest true-positive rate at a number of false positives; 0 before the first point."""
        best = np.concatenate([[0.0], np.maximum.accumulate(self.true_positive_rate)])
        return np.asarray(best[np.searchsorted(self.false_positives, false_positives, side="right")])


def read_roc(path: str | os.PathLike[str]) -> Roc:
    """Read ``…DiscROC.txt`` or ``…ContROC.txt``: rows of true-positive rate, false positives and perhaps the score.

    Raises
    ------
    DataError
        If the file is not of this form.
    """
    file = TextFile(path)
    rows = []
    while not file.at_end:
        rows.append(file.numbers(file.take("a row"), 2, "true_positive_rate false_positives", exact=False))
    if not rows:
        raise DataError("the file is empty", path)
    # Official files go from the lowest score up.
    points = np.array(rows[::-1])
    order = np.lexsort((points[:, 0], points[:, 1]))
    return Roc(points[order, 0], points[order, 1])


def read_published_rocs(folder: str | os.PathLike[str]) -> dict[str, tuple[Roc, Roc]]:
    """Read every ``NAMEDiscROC.txt`` of a folder with its ``NAMEContROC.txt``: the pair of curves by name.

    Raises
    ------
    DataError
        If there is none, or one is not of the right form.
    """
    curves = {}
    for path in matching(folder, "*DiscROC.txt"):
        name = path.name.removesuffix("DiscROC.txt")
        curves[name or "published"] = read_roc(path), read_roc(path.with_name(f"{name}ContROC.txt"))
    if not curves:
        raise file_error(DataError, missing_file(folder), "there is no NAMEDiscROC.txt in it", folder)
    return curves


def write_roc(path: str | os.PathLike[str], roc: Roc, *, scores: bool) -> None:
    """Write a ROC as the official tool does: from the lowest score up to a last row without detections.

    Parameters
    ----------
    path : path-like or str
    roc : Roc
    scores : bool
        Whether to write the scores too, as ``DiscROC.txt`` has them; `roc` must know them then.
    """
    columns = [roc.true_positive_rate, roc.false_positives]
    nothing = [0.0, 0.0]
    if scores and roc.thresholds is not None:
        columns.append(roc.thresholds)
        nothing.append(float(np.finfo(np.float64).max))
    rows = [*np.stack(columns, axis=1)[::-1].tolist(), nothing]
    # C++ streams print six digits unless told otherwise.
    write_text(path, "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows))


def read_fddb_records(folds: str | os.PathLike[str], images: str | os.PathLike[str]) -> Iterator[FaceRecord]:
    """Read the annotation of all folds.

    Parameters
    ----------
    folds : path-like or str
        ``FDDB-folds`` with its ``FDDB-fold-NN-ellipseList.txt``.
    images : path-like or str
        The folder with ``2002`` and ``2003``.

    Yields
    ------
    FaceRecord
        In the order of the folds, with ``fold`` (1 to 10) as an attribute of each face. Boxes may leave the image, as
        the ellipses do.

    Raises
    ------
    DataError
        If there is no annotation, or one is not of this form; it names file and line.
    """
    folder = Path(images)
    for image in read_fddb_images(folds):
        fold = np.full(len(image.ellipses), image.fold, np.int64)
        boxes = ellipse_boxes(image.ellipses).astype(np.float32)
        yield FaceRecord(image.file(folder), boxes, attributes={"fold": fold})


def ellipse_boxes(ellipses: Doubles) -> Doubles:
    """Return the smallest upright boxes ``(N, 4)`` around ellipses ``(N, 5)``.

    Columns are the major and minor radius, the angle of the major axis in radians, and the centre's x and y. An ellipse
    with radii ``a, b`` at an angle ``t`` reaches ``sqrt((a cos t)^2 + (b sin t)^2)`` to the left and right, and
    ``sqrt((a sin t)^2 + (b cos t)^2)`` up and down.
    """
    a, b, angle = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2]
    cos, sin = np.cos(angle), np.sin(angle)
    reach = np.stack([np.hypot(a * cos, b * sin), np.hypot(a * sin, b * cos)], axis=1)
    return np.concatenate([ellipses[:, 3:5] - reach, ellipses[:, 3:5] + reach], axis=1)
