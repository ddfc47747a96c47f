"""Lists of faces with five landmarks: AFLW, MTFL, and LFW with pictures from the net."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import TextFile, first_word, slashes
from mtcnn_fast.errors import DataError

LandmarkForm = Literal["box", "points", "mtfl"]

#: Columns of a row after the path, in the published forms of such lists.
FORMS: Mapping[LandmarkForm, tuple[int, str]] = {
    "box": (14, "left right top bottom x1 y1 … x5 y5"),
    "points": (10, "x1 … x5 y1 … y5"),
    "mtfl": (14, "x1 … x5 y1 … y5 gender smile glasses pose"),
}

#: From the box of such a list, which ends at the mouth, to one as WIDER FACE draws it, from the forehead to the chin:
#: width and height in units of the list's box, and how far the middle moves. Medians of the boxes that the package's
#: own detector finds on every thirteenth image of ``net_7876.txt``.
WHOLE_FACE = (1.05, 1.38)
WHOLE_FACE_SHIFT = (0.0, -0.085)

#: A square box from five points: its centre lies this far from theirs, and its side is as long, in units of the root
#: mean square distance of the points from their centre. Medians over the 2,600 faces of ``net_7876.txt``, which has
#: both points and boxes.
BOX_OFFSET = (0.0, -0.04)
BOX_SIDE = 3.28


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LandmarkFace:
    """An annotated face.

    Attributes
    ----------
    path : str
        Of its image, as the list has it; each image has one annotated face.
    points : (5, 2) float64
        Left eye, right eye, nose, left and right corner of the mouth, x and y in pixels.
    box : (4,) float64
        Corners ``x1, y1, x2, y2``; derived from the points where the list has none, see `box_from_points`.
    """

    path: str
    points: Doubles
    box: Doubles


def box_from_points(points: Doubles) -> Doubles:
    """Derive a square face box ``(4,)`` from five landmarks ``(5, 2)``, by `BOX_OFFSET` and `BOX_SIDE`."""
    middle = points.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum((points - middle) ** 2, axis=1))))
    center = middle + np.array(BOX_OFFSET) * spread
    half = BOX_SIDE * spread / 2
    return np.concatenate([center - half, center + half])


def read_landmarks(path: str | os.PathLike[str]) -> list[LandmarkFace]:
    """Read a list of faces with five landmarks.

    Parameters
    ----------
    path : path-like or str
        A text file, a face a row, in one of the two published forms: path, box as ``left right top bottom`` and five
        pairs ``x y``; or path, five x and five y, without a box.

    Returns
    -------
    faces : list of LandmarkFace

    Raises
    ------
    DataError
        If the file is empty or a row is not of this form, or a path comes twice.
    """
    return list(landmark_rows(path))


def landmark_rows(path: str | os.PathLike[str], form: LandmarkForm | None = None) -> Iterator[LandmarkFace]:
    """Read a list of faces with five landmarks, one after the other.

    Parameters
    ----------
    path : path-like or str
    form : {"box", "points", "mtfl"}, optional
        What follows the path in a row, see `FORMS`; by default ``box`` or ``points``, by the number of columns.

    Yields
    ------
    LandmarkFace

    Raises
    ------
    DataError
        As `read_landmarks` raises it.
    """
    file = TextFile(path)
    if file.at_end:
        raise DataError("the file is empty", path)
    seen = set()
    while not file.at_end:
        name, rest = first_word(file.take("a row"))
        layout = form or ("box" if len(rest.split()) == 14 else "points")
        columns, text = FORMS[layout]
        numbers = np.array(file.numbers(rest, columns, f"path {text}"))
        points = numbers[4:].reshape(5, 2) if layout == "box" else numbers[:10].reshape(2, 5).T
        if name in seen:
            raise file.error(f"the image {name!r} comes twice")
        seen.add(name)
        if not np.hypot(*(points[0] - points[1])):
            raise file.error("both eyes are at the same point, which errors cannot be measured by")
        box = numbers[[0, 2, 1, 3]] if layout == "box" else box_from_points(points)
        if box[2] <= box[0] or box[3] <= box[1]:
            raise file.error("a box must be left right top bottom with left < right and top < bottom")
        yield LandmarkFace(name, points, box)


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
        boxes gets them from the points, see `box_from_points`.

    Raises
    ------
    DataError
        If the list is missing, empty or not of this form, or a path comes twice; it names file and line.
    """
    folder = Path(annotation).parent if images is None else Path(images)
    for face in landmark_rows(annotation, form):
        path = folder / slashes(face.path)
        box = whole_face_box(face.box) if whole_face else face.box
        yield FaceRecord(path, box[None].astype(np.float32), face.points[None].astype(np.float32), complete=False)


def whole_face_box(box: Doubles) -> Doubles:
    """Return a box ``(4,)`` around the whole face for a tight one ``(4,)``, by `WHOLE_FACE`."""
    size = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + size * WHOLE_FACE_SHIFT
    half = size * WHOLE_FACE / 2
    return np.concatenate([middle - half, middle + half])
