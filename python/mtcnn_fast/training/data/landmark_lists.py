"""Lists of faces with five landmarks: AFLW, MTFL, and LFW with pictures from the net."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtcnn_fast.evaluation.landmarks import LandmarkForm, landmark_rows
from mtcnn_fast.training.data.records import FaceRecord


def read_landmark_list(
    annotation: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, form: LandmarkForm | None = None
) -> Iterator[FaceRecord]:
    """Read a list with a face a row.

    Parameters
    ----------
    annotation : path-like or str
    images : path-like or str, optional
        The folder that the list's paths start from; by default the list's own.
    form : {"box", "points", "mtfl"}, optional
        What a row holds after the path. ``box``: ``left right top bottom``, then five pairs ``x y`` (LFW and net
        pictures; Sun et al. 2013). ``points``: five x, then five y (AFLW as the MTCNN paper evaluates it). ``mtfl``:
        five x, five y, then gender, smile, glasses and pose (Zhang et al. 2014, "Facial Landmark Detection by Deep
        Multi-task Learning"). By default ``box`` or ``points``, by the number of columns.

    Yields
    ------
    FaceRecord
        One face an image; `FaceRecord.complete` is False, as others in the same image are not annotated. A list without
        boxes gets them from the points, see `mtcnn_fast.evaluation.landmarks.box_from_points`.

    Raises
    ------
    DataError
        If the list is missing, empty or not of this form, or a path comes twice; it names file and line.
    """
    folder = Path(annotation).parent if images is None else Path(images)
    for face in landmark_rows(annotation, form):
        # Lists made on Windows.
        path = folder / face.path.replace("\\", "/")
        boxes, points = face.box[None].astype(np.float32), face.points[None].astype(np.float32)
        yield FaceRecord(path, boxes, points, complete=False)
