"""Lists of faces with five landmarks: AFLW, MTFL, and LFW with pictures from the net."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn_fast.evaluation.landmarks import LandmarkForm, landmark_rows
from mtcnn_fast.training.data.records import FaceRecord

#: From the box of such a list, which ends at the mouth, to one as WIDER FACE draws it, from the forehead to the chin:
#: width and height in units of the list's box, and how far the middle moves. Medians of the boxes that the package's
#: own detector finds on every thirteenth image of ``net_7876.txt``.
WHOLE_FACE = (1.05, 1.38)
WHOLE_FACE_SHIFT = (0.0, -0.085)


def read_landmark_list(
    annotation: str | os.PathLike[str],
    images: str | os.PathLike[str] | None = None,
    form: LandmarkForm | None = None,
    *,
    whole_face: bool = True,
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
    whole_face : bool
        Whether to turn the list's boxes, which are tight, into boxes as WIDER FACE draws them, by `WHOLE_FACE`. The
        windows in which O-Net looks for landmarks when it detects are those of WIDER FACE; most of them overlap a tight
        box by less than 0.65, so that it would learn from windows that it never sees.

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
        box = whole_face_box(face.box) if whole_face else face.box
        yield FaceRecord(path, box[None].astype(np.float32), face.points[None].astype(np.float32), complete=False)


def whole_face_box(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a box ``(4,)`` around the whole face for a tight one ``(4,)``, by `WHOLE_FACE`."""
    size = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + size * WHOLE_FACE_SHIFT
    half = size * WHOLE_FACE / 2
    return np.concatenate([middle - half, middle + half])
