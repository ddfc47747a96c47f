"""FDDB: boxes around its ellipses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn_fast.evaluation.fddb_data import read_fddb as read_ellipses
from mtcnn_fast.training.data.records import FaceRecord


def read_fddb(folds: str | os.PathLike[str], images: str | os.PathLike[str]) -> Iterator[FaceRecord]:
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
    for image in read_ellipses(folds):
        fold = np.full(len(image.ellipses), image.fold, np.int64)
        boxes = ellipse_boxes(image.ellipses).astype(np.float32)
        yield FaceRecord(folder / f"{image.name}.jpg", boxes, attributes={"fold": fold})


def ellipse_boxes(ellipses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the smallest upright boxes ``(N, 4)`` around ellipses ``(N, 5)``.

    Columns are the major and minor radius, the angle of the major axis in radians, and the centre's x and y. An ellipse
    with radii ``a, b`` at an angle ``t`` reaches ``sqrt((a cos t)^2 + (b sin t)^2)`` to the left and right, and
    ``sqrt((a sin t)^2 + (b cos t)^2)`` up and down.
    """
    a, b, angle = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2]
    cos, sin = np.cos(angle), np.sin(angle)
    reach = np.stack([np.hypot(a * cos, b * sin), np.hypot(a * sin, b * cos)], axis=1)
    return np.concatenate([ellipses[:, 3:5] - reach, ellipses[:, 3:5] + reach], axis=1)
