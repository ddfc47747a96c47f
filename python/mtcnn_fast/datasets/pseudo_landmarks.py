"""Landmarks that a detector has put on the images of a data set with boxes: pseudo labels, not made by hand."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import is_file
from mtcnn_fast._types import Floats
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import TextFile
from mtcnn_fast.faces.overlap import iou_matrix

_ROW = "x y width height, five times x y, score"

#: A detection belongs to the annotated face that it overlaps most, from this overlap on.
MIN_IOU = 0.6


def with_pseudo_landmarks(
    records: Iterable[FaceRecord], folder: str | os.PathLike[str], *, min_score: float = 0.8
) -> Iterator[FaceRecord]:
    """Give annotated faces the landmarks of the detections that cover them.

    The labels are those of libfacedetection.train: a file ``EVENT/NAME.txt`` for each image, with the image's path, the
    number of faces, and a row a face, made with RetinaFace. Detections that belong to no annotated face are left out.

    Parameters
    ----------
    records : iterable of FaceRecord
    folder : path-like or str
        With the events' folders. Faces of an image without a file get no landmarks.
    min_score : float
        Of the detections taken.

    Yields
    ------
    FaceRecord
        With the landmarks of those faces that have a detection.

    Raises
    ------
    DataError
        If a file is not of this form; it names file and line.
    """
    for record in records:
        path = Path(folder) / record.path.parent.name / f"{record.path.stem}.txt"
        if not is_file(path) or not len(record):
            yield record
            continue
        boxes, points = _read(path, min_score)
        yield dataclasses.replace(record, landmarks=_assigned(record, boxes, points))


def _assigned(record: FaceRecord, boxes: Floats, points: Floats) -> Floats:
    landmarks = np.full((len(record), 5, 2), np.nan, np.float32)
    if len(boxes):
        iou = iou_matrix(record.boxes.astype(np.float64), boxes.astype(np.float64), inclusive=False)
        best = iou.argmax(axis=1)
        found = (iou.max(axis=1) >= MIN_IOU) & record.usable
        landmarks[found] = points[best[found]]
    return landmarks


def _read(path: Path, min_score: float) -> tuple[Floats, Floats]:
    """Return boxes ``(N, 4)`` xyxy and landmarks ``(N, 5, 2)`` of one file."""
    file = TextFile(path)
    file.take("the path of the image")
    count = file.count("the number of faces")
    rows = file.rows(count, 15, _ROW, exact=True)
    rows = rows[rows[:, 14] >= min_score]
    corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    return corners.astype(np.float32), rows[:, 4:14].reshape(-1, 5, 2).astype(np.float32)
