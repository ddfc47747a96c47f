"""Annotation in the JSON form of COCO, for pictures of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast.datasets.detections import widths_to_corners
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.datasets.textfiles import slashes
from mtcnn_fast.errors import DataError, file_error

#: Numbers of a face's ``keypoints``: x, y and visibility of five landmarks.
_KEYPOINTS = 15


def read_coco(
    annotation: str | os.PathLike[str],
    images: str | os.PathLike[str],
    category: str | None = None,
    *,
    complete: bool = True,
) -> Iterator[FaceRecord]:
    """Read a JSON file with ``images`` and ``annotations``.

    Of an image ``id`` and ``file_name`` are used, and ``width`` and ``height`` if they are there; of an annotation
    ``image_id`` and ``bbox`` (``x, y, width, height``), and if they are there ``category_id``, ``iscrowd`` or
    ``ignore`` (1 for a face that is neither wanted nor background) and ``keypoints``: x, y and visibility of left eye,
    right eye, nose, left and right corner of the mouth as they appear in the image, where a visibility of 0 means
    "not known".

    Parameters
    ----------
    annotation : path-like or str
    images : path-like or str
        The folder that file names start from.
    category : str, optional
        Name of the category that faces have; by default everything is a face.
    complete : bool
        Whether every face in the images is annotated, see `FaceRecord`.

    Yields
    ------
    FaceRecord
        One for each image, in the file's order, including images without a face.

    Raises
    ------
    DataError
        If the file is missing, is no JSON (it names the line) or is not of this form (it names the element, such as
        ``annotations[3]``).
    """
    path, folder = Path(annotation), Path(images)
    content = _load(path)
    chosen = None if category is None else _category(path, content, category)
    pictures = _images(path, content)
    faces: dict[Any, list[dict[str, Any]]] = {key: [] for key in pictures}
    for i, entry in enumerate(_list(path, content, "annotations")):
        place = f"annotations[{i}]"
        key = _get(path, entry, place, "image_id")
        if key not in faces:
            raise DataError(f"{place}: there is no image with the id {key!r}", path)
        if chosen is None or entry.get("category_id") == chosen:
            faces[key].append(_face(path, entry, place))
    for key, picture in pictures.items():
        yield _record(folder, picture, faces[key], complete)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        # From bytes, so that a byte-order mark is understood.
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise file_error(DataError, error, f"cannot be read ({error.strerror})", path) from error
    except json.JSONDecodeError as error:
        raise DataError(f"is no JSON ({error.msg})", path, error.lineno) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is no text in UTF-8 ({error.reason})", path) from error
    if not isinstance(content, dict):
        raise DataError("must be an object with 'images' and 'annotations'", path)
    return content


def _list(path: Path, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = content.get(name)
    if not isinstance(entries, list):
        raise DataError(f"{name!r} must be a list, got {type(entries).__name__}", path)
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DataError(f"{name}[{i}] must be an object, got {entry!r}", path)
    return entries


def _get(path: Path, entry: Mapping[str, Any], place: str, name: str) -> Any:
    value = entry.get(name)
    if value is None or isinstance(value, (dict, list)):
        raise DataError(f"{place}: {name!r} must be a number or text, got {value!r}", path)
    return value


def _category(path: Path, content: Mapping[str, Any], name: str) -> Any:
    entries = _list(path, content, "categories")
    known = {entry.get("name"): entry.get("id") for entry in entries}
    if name not in known:
        raise DataError(f"there is no category {name!r}, only {', '.join(map(repr, known))}", path)
    return known[name]


def _images(path: Path, content: Mapping[str, Any]) -> dict[Any, Mapping[str, Any]]:
    pictures: dict[Any, Mapping[str, Any]] = {}
    for i, entry in enumerate(_list(path, content, "images")):
        place = f"images[{i}]"
        key = _get(path, entry, place, "id")
        if not isinstance(_get(path, entry, place, "file_name"), str):
            raise DataError(f"{place}: 'file_name' must be text, got {entry['file_name']!r}", path)
        if key in pictures:
            raise DataError(f"{place}: the id {key!r} comes twice", path)
        pictures[key] = entry
    return pictures


def _face(path: Path, entry: Mapping[str, Any], place: str) -> dict[str, Any]:
    box = _numbers(path, entry.get("bbox"), f"{place}: 'bbox'", 4)
    if min(box[2:]) < 0:
        raise DataError(f"{place}: width and height must not be negative, got {box[2]:g} and {box[3]:g}", path)
    points = np.full((5, 2), np.nan, np.float32)
    if entry.get("keypoints"):
        rows = np.array(_numbers(path, entry["keypoints"], f"{place}: 'keypoints'", _KEYPOINTS)).reshape(5, 3)
        points = np.where(rows[:, 2:] > 0, rows[:, :2], np.nan).astype(np.float32)
    return {"box": box, "points": points, "ignored": bool(entry.get("iscrowd") or entry.get("ignore"))}


def _numbers(path: Path, value: object, place: str, count: int) -> list[float]:
    fine = isinstance(value, list) and len(value) == count
    if not fine or not all(isinstance(item, (int, float)) and abs(item) < 1e9 for item in value):  # type: ignore[attr-defined]
        raise DataError(f"{place} must be {count} finite numbers, got {value!r}", path)
    return [float(item) for item in value]  # type: ignore[attr-defined]


def _record(folder: Path, picture: Mapping[str, Any], faces: list[dict[str, Any]], complete: bool) -> FaceRecord:
    width, height = picture.get("width"), picture.get("height")
    return FaceRecord(
        folder / slashes(picture["file_name"]),
        widths_to_corners(np.array([face["box"] for face in faces], np.float64).reshape(-1, 4)).astype(np.float32),
        np.array([face["points"] for face in faces], np.float32).reshape(-1, 5, 2),
        np.array([face["ignored"] for face in faces], np.bool_),
        size=(width, height) if isinstance(width, int) and isinstance(height, int) else None,
        complete=complete,
    )
