"""Files of faces: JSON, Parquet, COCO, WIDER FACE with landmarks, and YOLO pose labels, written and read.

All work on records: the name of an image and what `Faces.to_dict` makes of its faces. JSON, Parquet and COCO hold
everything. WIDER FACE and YOLO labels have no image size, and YOLO's coordinates are fractions of it: their readers
take it from the images.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast._paths import exists
from mtcnn_fast.errors import ConfigError, DataError, file_error, missing_file
from mtcnn_fast.faces.geometry import POINTS
from mtcnn_fast.faces.parquet import read_parquet, write_parquet
from mtcnn_fast.files import write_json, written_whole

Record = tuple[str, Mapping[str, Any]]
SizeOf = Callable[[str], tuple[int, int]]


def write_records(path: Path, records: Sequence[Record], form: str) -> None:
    """Write records in one of `FORMS`."""
    FORMS[form][0](path, records)


def read_records(path: Path, form: str, size_of: SizeOf) -> list[Record]:
    """Read records in one of `FORMS`; `size_of` returns the size of an image where the form does not hold it.

    Raises
    ------
    DataError
        If the file is missing or not of the form.
    """
    if not exists(path):
        raise file_error(DataError, missing_file(path), "there is no such file", path)
    try:
        return FORMS[form][1](path, size_of)
    except (KeyError, TypeError, ValueError, IndexError, UnicodeDecodeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"is not faces as {form} ({type(error).__name__}: {error})", path) from error


def _write_json(path: Path, records: Sequence[Record]) -> None:
    write_json(path, [{"image": image, **record} for image, record in records])


def _read_json(path: Path, size_of: SizeOf) -> list[Record]:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = [content] if isinstance(content, dict) else content
    # The command writes a record without a size where an image could not be read.
    named = [(str(row.get("image", row.get("path", ""))), row) for row in rows]
    return [(image, row) for image, row in named if not (row.get("error") and row["width"] is None)]


def _write_coco(path: Path, records: Sequence[Record]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (image, record) in enumerate(records, 1):
        images.append({"id": number, "file_name": image, "width": record["width"], "height": record["height"]})
        for face in record["faces"]:
            x1, y1, x2, y2 = face["box"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "score": face["score"],
                    "keypoints": [value for x, y in face["landmarks"] for value in (x, y, 2)],
                    "num_keypoints": len(POINTS),
                    **({"track_id": face["id"]} if "id" in face else {}),
                }
            )
    category = {"id": 1, "name": "face", "supercategory": "person", "keypoints": list(POINTS), "skeleton": []}
    write_json(path, {"images": images, "annotations": annotations, "categories": [category]})


def _read_coco(path: Path, size_of: SizeOf) -> list[Record]:
    content = json.loads(path.read_text(encoding="utf-8"))
    faces: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for row in content["annotations"]:
        x, y, width, height = row["bbox"]
        points = np.array(row["keypoints"], float).reshape(len(POINTS), 3)[:, :2].tolist()
        found = {"box": [x, y, x + width, y + height], "score": row.get("score", 1.0), "landmarks": points}
        if "track_id" in row:
            found["id"] = row["track_id"]
        faces[row["image_id"]].append(found)
    return [
        (image["file_name"], {"width": image["width"], "height": image["height"], "faces": faces[image["id"]]})
        for image in content["images"]
    ]


def _write_widerface(path: Path, records: Sequence[Record]) -> None:
    """Write ``# image`` and rows ``x y width height``, five times ``x y 0``, score: the form of RetinaFace's labels."""
    lines = []
    for image, record in records:
        lines.append(f"# {image}")
        for face in record["faces"]:
            x1, y1, x2, y2 = face["box"]
            numbers = [x1, y1, x2 - x1, y2 - y1]
            numbers += [value for x, y in face["landmarks"] for value in (x, y, 0)]
            lines.append(" ".join(f"{value:.17g}" for value in (*numbers, face["score"])))
    written_whole(path, ("\n".join(lines) + "\n").encode())


def _read_widerface(path: Path, size_of: SizeOf) -> list[Record]:
    records: list[tuple[str, dict[str, Any]]] = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.startswith("#"):
            image = line[1:].strip()
            width, height = size_of(image)
            records.append((image, {"width": width, "height": height, "faces": []}))
        elif line.strip():
            numbers = [float(text) for text in line.split()]
            x, y, width_, height_ = numbers[:4]
            points = np.array(numbers[4:19]).reshape(5, 3)[:, :2].tolist()
            found = {"box": [x, y, x + width_, y + height_], "score": numbers[19], "landmarks": points}
            records[-1][1]["faces"].append(found)
    return list(records)


def _write_yolo(path: Path, records: Sequence[Record]) -> None:
    """Write a folder with a text file for each image: class, centre, size, five points, score, as fractions."""
    path.mkdir(parents=True, exist_ok=True)
    for image, record in records:
        size = np.array([record["width"], record["height"]], float)
        lines = []
        for face in record["faces"]:
            low, high = np.array(face["box"], float).reshape(2, 2)
            numbers = [*((low + high) / 2 / size), *((high - low) / size)]
            numbers += (np.array(face["landmarks"]) / size).ravel().tolist()
            lines.append("0 " + " ".join(f"{value:.17g}" for value in (*numbers, face["score"])))
        target = path / Path(image).with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        written_whole(target, "".join(f"{line}\n" for line in lines).encode())


def _read_yolo(path: Path, size_of: SizeOf) -> list[Record]:
    records = []
    for file in sorted(path.rglob("*.txt")):
        image = file.relative_to(path).with_suffix("").as_posix()
        width, height = size_of(image)
        size = np.array([width, height], float)
        faces = []
        for line in file.read_text(encoding="utf-8-sig").splitlines():
            numbers = np.array([float(text) for text in line.split()][1:])
            center, extent = numbers[:2] * size, numbers[2:4] * size
            box = np.concatenate([center - extent / 2, center + extent / 2]).tolist()
            points = (numbers[4:14].reshape(5, 2) * size).tolist()
            score = float(numbers[14]) if len(numbers) > 14 else 1.0
            faces.append({"box": box, "score": score, "landmarks": points})
        records.append((image, {"width": width, "height": height, "faces": faces}))
    return list(records)


#: Forms of files by name: how each is written and read.
FORMS: Mapping[
    str, tuple[Callable[[Path, Sequence[Record]], None], Callable[[Path, SizeOf], list[tuple[str, Any]]]]
] = {
    "json": (_write_json, _read_json),
    "parquet": (write_parquet, read_parquet),
    "coco": (_write_coco, _read_coco),
    "widerface": (_write_widerface, _read_widerface),
    "yolo": (_write_yolo, _read_yolo),
}

#: Forms by the ending of a file's name.
ENDINGS = {".json": "json", ".parquet": "parquet", ".txt": "widerface", "": "yolo"}


def chosen_form(path: str | os.PathLike[str], form: str | None) -> str:
    """Return the form that is named, or that of a file's ending, or raise `ConfigError`."""
    found = form or ENDINGS.get(Path(path).suffix.lower(), "")
    if found not in FORMS:
        given = f"{form!r}" if form else f"the ending of {os.fspath(path)!r}"
        raise ConfigError(f"form must be one of {', '.join(FORMS)}, got {given}")
    return found
