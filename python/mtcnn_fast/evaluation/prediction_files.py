"""Stored detections: the official folder of WIDER FACE and the files of FDDB, read and written."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import exists, is_folder
from mtcnn_fast.datasets.detections import Detections, corners_to_widths, widths_to_corners
from mtcnn_fast.datasets.textfiles import TextFile, slashes
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.files import write_text


def read_widerface_predictions(folder: str | os.PathLike[str], known: Collection[str]) -> dict[str, Detections]:
    """Read a folder of detections as the evaluation server of WIDER FACE takes it.

    Parameters
    ----------
    folder : path-like or str
        It holds ``EVENT/NAME.txt`` for each image: the image's name, the number of boxes, then for each box
        ``x y width height score``, in any order.
    known : collection of str
        The images of the annotation, as ``EVENT/NAME``.

    Returns
    -------
    detections : dict of str to Detections
        By ``EVENT/NAME``, the highest score first; not every known image need be there.

    Raises
    ------
    DataError
        If the folder is empty, a file belongs to no known image or is not of this form.
    """
    folder = Path(folder)
    if not is_folder(folder):
        raise (
            DataError("is no folder", folder)
            if exists(folder)
            else file_error(DataError, missing_file(folder), "there is no such folder", folder)
        )
    known = frozenset(known)
    found = {}
    for path in sorted(folder.glob("*/*.txt")):
        key = f"{path.parent.name}/{path.stem}"
        if key not in known:
            others = sorted(name for name in known if name.startswith(f"{key}."))
            hint = f", but {' and '.join(map(repr, others))}: name the files {path.stem}.ENDING.txt" if others else ""
            raise DataError(f"the annotation has no image {key!r}{hint}", path)
        found[key] = _read_widerface_file(path)
    if not found:
        raise file_error(DataError, missing_file(folder), "there is no EVENT/NAME.txt in it", folder)
    return found


def _read_widerface_file(path: Path) -> Detections:
    file = TextFile(path)
    name = slashes(file.take("the name of the image")).rpartition("/")[2]
    if path.stem not in (name, name.rpartition(".")[0]):
        raise file.error(f"the first line must name the image {path.stem!r}, got {name!r}")
    rows = file.scored_boxes(file.count("the number of boxes"))
    if not file.at_end:
        file.take("a further row")
        raise file.error(f"there are more rows than the {len(rows)} that line 2 announces")
    return Detections(widths_to_corners(rows), rows[:, 4])


def write_widerface_predictions(folder: str | os.PathLike[str], detections: Mapping[str, Detections]) -> None:
    """Write detections as `read_widerface_predictions` reads them; files of the same name are replaced.

    Numbers are written in full, so that reading them back changes a corner by a rounding of float64 at most.
    """
    for key, found in detections.items():
        path = Path(folder) / f"{key}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join([path.stem, *_block(found)]) + "\n", sync=False)


def read_fddb_detections(path: str | os.PathLike[str], known: Collection[str]) -> dict[str, Detections]:
    """Read detections in the form of the FDDB evaluation.

    Parameters
    ----------
    path : path-like or str
        A text file, or a folder of them, one a fold: for each image its name, the number of boxes, then for each box
        ``x y width height score``, in any order.
    known : collection of str
        The images of the annotation, such as ``2002/08/11/big/img_591``.

    Returns
    -------
    detections : dict of str to Detections
        By image, the highest score first; not every known image need be there.

    Raises
    ------
    DataError
        If an image is unknown or comes twice, or a file is not of this form.
    """
    path = Path(path)
    files = sorted(path.glob("*.txt")) if is_folder(path) else [path]
    if not files:
        raise file_error(DataError, missing_file(path), "there is no .txt file in it", path)
    known = frozenset(known)
    found: dict[str, Detections] = {}
    for text_file in files:
        file = TextFile(text_file)
        while not file.at_end:
            name = slashes(file.take("the name of an image"))
            if name not in known:
                raise file.error(f"the annotation has no image {name!r}")
            if name in found:
                raise file.error(f"the image {name!r} comes twice")
            rows = file.scored_boxes(file.count("the number of boxes"))
            found[name] = Detections(widths_to_corners(rows), rows[:, 4])
    return found


def write_fddb_detections(path: str | os.PathLike[str], detections: Mapping[str, Detections]) -> None:
    """Write detections as one file that `read_fddb_detections` reads."""
    lines = [line for name, found in detections.items() for line in (name, *_block(found))]
    write_text(path, "\n".join(lines) + "\n")


def _block(found: Detections) -> list[str]:
    ordered = found.by_score()
    rows = np.concatenate([corners_to_widths(ordered.boxes), ordered.scores[:, None]], axis=1)
    return [str(len(ordered)), *(" ".join(f"{value:.17g}" for value in row) for row in rows.tolist())]
