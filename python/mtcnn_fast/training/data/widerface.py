"""WIDER FACE: its own annotation, and the one with landmarks that RetinaFace's authors published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtcnn_fast.evaluation.records import widths_to_corners
from mtcnn_fast.evaluation.textfiles import TextFile
from mtcnn_fast.evaluation.widerface_data import widerface_rows
from mtcnn_fast.training.data.records import FaceRecord

#: Columns of a face in the official annotation after ``x y width height``.
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")

_FACE_ROW = "x y width height"
_LANDMARK_ROW = "x y width height, five times x y flag, and a quality"


def read_widerface(annotation: str | os.PathLike[str], images: str | os.PathLike[str]) -> Iterator[FaceRecord]:
    """Read the official annotation, such as ``wider_face_train_bbx_gt.txt``.

    Faces that are marked invalid and boxes without area are ignored ones.

    Parameters
    ----------
    annotation : path-like or str
    images : path-like or str
        The folder with the events' folders, such as ``WIDER_train/images``.

    Yields
    ------
    FaceRecord
        One for each image, in the annotation's order, with the official attributes by the names in `ATTRIBUTES`.

    Raises
    ------
    DataError
        If the annotation is missing or not of this form; it names file and line.
    """
    folder = Path(images)
    for name, rows in widerface_rows(annotation):
        attributes = dict(zip(ATTRIBUTES, rows[:, 4:10].T.astype(np.int64), strict=True))
        boxes = widths_to_corners(rows)
        yield FaceRecord(
            folder / name, boxes.astype(np.float32), ignored=attributes["invalid"] != 0, attributes=attributes
        )


def read_retinaface(annotation: str | os.PathLike[str], images: str | os.PathLike[str]) -> Iterator[FaceRecord]:
    """Read RetinaFace's ``label.txt``: WIDER FACE with five landmarks for most faces.

    An image is a row ``# EVENT/NAME.jpg``; a face is a row ``x y width height``, in the training set followed by five
    times ``x y flag`` and the face's quality (Deng et al. 2020, "RetinaFace: Single-shot Multi-level Face Localisation
    in the Wild"). Coordinates of -1 stand for a landmark that is not annotated.

    Parameters
    ----------
    annotation : path-like or str
    images : path-like or str
        The folder with the events' folders.

    Yields
    ------
    FaceRecord
        One for each image, in the annotation's order.

    Raises
    ------
    DataError
        If the annotation is missing or not of this form; it names file and line.
    """
    folder = Path(images)
    file = TextFile(annotation)
    if file.at_end:
        raise file.error("the file holds no annotation")
    while not file.at_end:
        heading = file.take("a row '# EVENT/NAME.jpg'")
        name = heading[1:].strip()
        if not heading.startswith("#") or not name:
            raise file.error(f"an image must begin with a row '# EVENT/NAME.jpg', got {heading!r}")
        boxes, landmarks = [], []
        while not file.at_end and not file.peek().startswith("#"):
            text = file.take("a face")
            if len(text.split()) == 4:
                row = file.numbers(text, 4, _FACE_ROW) + [-1.0] * 15
            else:
                row = file.numbers(text, 19, _LANDMARK_ROW, exact=False)
            if row[2] < 0 or row[3] < 0:
                raise file.error(f"width and height must not be negative, got {row[2]:g} and {row[3]:g}")
            points = np.array(row[4:19], np.float32).reshape(5, 3)[:, :2]
            boxes.append(row[:4])
            landmarks.append(np.where((points < 0).all(axis=1, keepdims=True), np.nan, points))
        corners = widths_to_corners(np.array(boxes, np.float64).reshape(-1, 4))
        marks = np.array(landmarks, np.float32).reshape(-1, 5, 2)
        yield FaceRecord(folder / name, corners.astype(np.float32), marks)
