"""WIDER FACE: the annotation as published, in MATLAB files or as text, and with the landmarks of RetinaFace's authors.

`read_widerface_images` reads it as the benchmark scores it, `read_widerface_records` as networks are trained on it.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import is_folder
from mtcnn_fast._types import Bools, Doubles
from mtcnn_fast.datasets.detections import widths_to_corners
from mtcnn_fast.datasets.image_files import image_file
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import TextFile, slashes
from mtcnn_fast.datasets.widerface_mat import load_variables, widerface_mat_rows
from mtcnn_fast.errors import DataError

#: The official sub-sets of faces, by how hard they are to find.
DIFFICULTIES = ("easy", "medium", "hard")

#: The only sub-set that the text annotation can tell: all faces that are not marked invalid.
ALL = "all"

_TEXT_ROW = "x y width height blur expression illumination invalid occlusion pose"
_INVALID = 7

#: Columns of a face in the official annotation after ``x y width height``.
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")

_FACE_ROW = "x y width height"
_LANDMARK_ROW = "x y width height, five times x y flag, and a quality"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WiderImage:
    """The annotated faces of one image.

    Attributes
    ----------
    event : str
        Folder of the image, such as ``0--Parade``.
    name : str
        File name without ending; with it where two images of the event differ in nothing else.
    boxes : (N, 4) float64
        Corners ``x1, y1, x2, y2`` in pixels, with ``x2 = x + width`` of the annotation.
    subsets : dict of str to (N,) bool
        For each sub-set of faces, which of `boxes` count; the others are ignored, neither wanted nor wrong.
    suffix : str or None
        What follows `name` in the name of the image's file; None where the annotation does not tell.
    """

    event: str
    name: str
    boxes: Doubles
    subsets: dict[str, Bools]
    suffix: str | None = None

    @property
    def key(self) -> str:
        """Event and name, as detections are looked up by."""
        return f"{self.event}/{self.name}"

    def file(self, folder: str | os.PathLike[str]) -> Path:
        """Return the image's file in the folder with the events' folders, see `image_file`."""
        return image_file(Path(folder), self.key, self.suffix)


def read_widerface_images(path: str | os.PathLike[str]) -> list[WiderImage]:
    """Read the annotation of WIDER FACE.

    Parameters
    ----------
    path : path-like or str
        The folder ``ground_truth`` of the official evaluation tools (``wider_face_val.mat`` and ``wider_easy_val.mat``,
        ``wider_medium_val.mat``, ``wider_hard_val.mat``), which knows the sub-sets ``easy``, ``medium`` and ``hard``;
        or a text file such as ``wider_face_val_bbx_gt.txt``, which knows only ``all``: every face not marked invalid.

    Returns
    -------
    images : list of WiderImage
        In the annotation's order.

    Raises
    ------
    DataError
        If a file is missing or not of this form.
    MissingExtraError
        If it is a folder and scipy is not installed.
    """
    path = Path(path)
    return _read_matlab(path) if is_folder(path) else _read_text(path)


def _read_text(path: Path) -> list[WiderImage]:
    if path.suffix == ".mat":
        raise DataError("give the folder with the four .mat files, or a .txt file", path)
    rows = list(widerface_rows(path))
    counts = Counter(text.rpartition(".")[0] for text, _ in rows)
    images = []
    for text, faces in rows:
        event, _, name = text.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        name, suffix = (stem, dot + ending) if counts[text.rpartition(".")[0]] == 1 else (name, "")
        images.append(WiderImage(event, name, widths_to_corners(faces), {ALL: faces[:, _INVALID] == 0}, suffix))
    return images


def widerface_rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, Doubles]]:
    """Read the annotation as text.

    Parameters
    ----------
    path : path-like or str
        Such as ``wider_face_val_bbx_gt.txt``.

    Yields
    ------
    image : str
        Its path, ``EVENT/NAME.jpg``.
    faces : (N, 10) float64
        The columns ``x y width height blur expression illumination invalid occlusion pose``.

    Raises
    ------
    DataError
        If the file is missing, empty or not of this form.
    """
    file = TextFile(path)
    if file.at_end:
        raise DataError("the file holds no annotation", path)
    seen = set()
    while not file.at_end:
        text = slashes(file.take("the path of an image"))
        event, _, name = text.rpartition("/")
        if not event or "." not in name:
            raise file.error(f"the path of an image must be EVENT/NAME.jpg, got {text!r}")
        if text in seen:
            raise file.error(f"the image {text!r} is annotated twice")
        seen.add(text)
        count = file.count("the number of faces")
        if not count and not file.at_end and "/" not in slashes(file.peek()):
            file.take("the row of zeros that the official files have for an image without faces")
        yield text, file.rows(count, 10, _TEXT_ROW, exact=False)


def _read_matlab(folder: Path) -> list[WiderImage]:
    faces = load_variables(folder / "wider_face_val.mat", "event_list", "file_list", "face_bbx_list")
    lists = {name: load_variables(folder / f"wider_{name}_val.mat", "gt_list")["gt_list"] for name in DIFFICULTIES}
    images = []
    for e, event in enumerate(faces["event_list"].ravel()):
        names = faces["file_list"].ravel()[e].ravel()
        boxes = faces["face_bbx_list"].ravel()[e].ravel()
        for i, name in enumerate(names):
            corners = widths_to_corners(np.asarray(boxes[i], np.float64).reshape(-1, 4))
            subsets = {}
            for subset, lists_of_events in lists.items():
                chosen = np.zeros(len(corners), np.bool_)
                # Indices count from 1.
                chosen[np.asarray(lists_of_events.ravel()[e].ravel()[i], np.int64).ravel() - 1] = True
                subsets[subset] = chosen
            images.append(WiderImage(str(event.ravel()[0]), str(name.ravel()[0]), corners, subsets))
    return images


def select_events(images: Iterable[WiderImage], events: Collection[str]) -> list[WiderImage]:
    """Return the images of some events; all if none are named.

    Raises
    ------
    DataError
        If the annotation has no such event.
    """
    images = list(images)
    known = {image.event for image in images}
    for event in events:
        if event not in known:
            raise DataError(f"the annotation has no event {event!r}; it has {', '.join(sorted(known))}")
    return [image for image in images if not events or image.event in events]


def read_widerface_records(annotation: str | os.PathLike[str], images: str | os.PathLike[str]) -> Iterator[FaceRecord]:
    """Read the official annotation, such as ``wider_face_train_bbx_gt.txt`` or ``wider_face_train.mat``.

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
    MissingExtraError
        If it is a MATLAB file and scipy is not installed.
    """
    folder = Path(images)
    read = widerface_mat_rows if Path(annotation).suffix == ".mat" else widerface_rows
    for name, rows in read(annotation):
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
        name = slashes(heading[1:].strip())
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
